// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.SideBySide;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.EncodedTokens;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.study.LabelledImages;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A few training images of each group, paused at one site for trial edits: the tower continues from
 * there and never starts again.
 */
final class TrialImages implements AutoCloseable {
  /**
   * Images that continue together: large enough for the matrix products, small enough for caches.
   */
  private static final int TOGETHER = 64;

  /** In logits. */
  private static final double TYPICAL_MARGIN = 2;

  private final ClipModel model;
  private final EditSite site;
  private final int most;
  private final List<Part> parts = new ArrayList<>();
  private final int[] taken;

  /** Kept images of one group with the same vocabulary. */
  private record Part(Paused paused, AnswerHead head, int[] truth, int group) {
    /** Both, in the current scope. */
    Part and(Part other) {
      @Nullable Tensor middle = paused.middle();
      @Nullable Tensor more = other.paused.middle();
      return new Part(
          new Paused(
              paused.at(),
              Tensor.concat(List.of(paused.value(), other.paused.value()), 0),
              middle == null || more == null ? null : Tensor.concat(List.of(middle, more), 0)),
          head,
          IntStream.concat(IntStream.of(truth), IntStream.of(other.truth)).toArray(),
          group);
    }

    boolean hasRoomFor(Part other) {
      return head == other.head
          && group == other.group
          && truth.length + other.truth.length <= TOGETHER;
    }
  }

  /**
   * With room for the same number of images of each group.
   *
   * @param images to keep, all groups together
   */
  TrialImages(ClipModel model, EditSite site, int groups, int images) {
    this.model = model;
    this.site = site;
    most = Math.max(1, images / groups);
    taken = new int[groups];
  }

  /** Keeps the images of a batch whose groups have room. */
  void add(Paused paused, LabelledImages part, ImageBatch batch) {
    int[] group = part.group(batch);
    int[] truth = part.truth(batch);
    for (int g : IntStream.of(group).distinct().toArray()) {
      int[] rows =
          IntStream.range(0, group.length)
              .filter(i -> group[i] == g && taken[g]++ < most)
              .toArray();
      if (rows.length == 0) continue;
      int[] right = IntStream.of(rows).map(i -> truth[i]).toArray();
      long[] index = IntStream.of(rows).asLongStream().toArray();
      try (Scope scope = Scope.open()) {
        Tensor which = Tensor.of(index, index.length).to(paused.value().device());
        Paused kept = paused.map(tensor -> tensor.indexSelect(0, which));
        keep(new Part(kept, part.head(), right, g), scope);
      }
    }
  }

  /** Keeps a part, together with one that has room for it. */
  private void keep(Part part, Scope scope) {
    Part all = part;
    for (Part one : parts) {
      if (!one.hasRoomFor(part)) continue;
      all = one.and(part);
      parts.remove(one);
      one.paused.close();
      break;
    }
    all.paused.map(scope::release);
    parts.add(all);
  }

  /**
   * Margins of the kept images' answers.
   *
   * @param group of each image
   * @param margin of each: logit of the right answer minus the largest of the others
   */
  record Answers(int[] group, double[] margin) {
    /** Share of right answers in a group; NaN where it has no image. */
    double accuracy(int g) {
      int right = 0;
      int n = 0;
      for (int i = 0; i < group.length; i++) {
        if (group[i] != g) continue;
        if (margin[i] > 0) right++;
        n++;
      }
      return n == 0 ? Double.NaN : (double) right / n;
    }

    /** By group the mean of 1/(1 + exp(−margin)), a smooth accuracy; NaN without images. */
    double[] smooth(int groups) {
      double[] smooth = new double[groups];
      for (int g = 0; g < groups; g++) {
        double sum = 0;
        int n = 0;
        for (int i = 0; i < group.length; i++) {
          if (group[i] != g) continue;
          sum += 1 / (1 + Math.exp(-margin[i]));
          n++;
        }
        smooth[g] = sum / n;
      }
      return smooth;
    }
  }

  /**
   * Answers of all kept images.
   *
   * @param edit null for none
   */
  Answers answers(@Nullable Edit edit) {
    int n = parts.stream().mapToInt(part -> part.truth.length).sum();
    int[] group = new int[n];
    double[] margin = new double[n];
    int at = 0;
    for (Part part : parts) {
      try (Scope scope = Scope.open()) {
        Paused paused = part.paused;
        Paused from = edit == null ? paused : paused.with(encoded(part, edit.saes()).edited(edit));
        double[] margins = margins(from, part);
        System.arraycopy(margins, 0, margin, at, margins.length);
        Arrays.fill(group, at, at + margins.length, part.group);
        at += margins.length;
      }
    }
    return new Answers(group, margin);
  }

  /**
   * Evaluates some groups' images without and with each of many edits.
   *
   * @return of each edit, the rise of the mean margin, mean over groups; exactly 0 where the edit
   *     changes nothing
   */
  double[] effects(Set<Integer> groups, List<Edit> edits, String name, Progress progress) {
    List<Part> mine = parts.stream().filter(part -> groups.contains(part.group)).toList();
    int[] images = new int[taken.length];
    for (Part part : mine) images[part.group] += part.truth.length;
    long n = IntStream.of(images).sum();
    List<Sae> saes = edits.stream().flatMap(edit -> edit.saes().stream()).toList();
    double flops = model.vision().flopsAfter(site.point().layer());
    double[] effects = new double[edits.size()];
    try (var task = progress.start(name, n * edits.size(), "answers")) {
      for (Part part : mine) {
        try (Scope scope = Scope.open()) {
          EncodedTokens encoded = encoded(part, saes);
          double[] without = margins(part.paused, part);
          double share = 1.0 / groups.size() / images[part.group];
          SideBySide.each(
              model.vision().device(),
              effects.length,
              e -> {
                try (Scope step = Scope.open()) {
                  Paused edited = part.paused.with(encoded.edited(edits.get(e)));
                  double[] with = margins(edited, part);
                  for (int i = 0; i < with.length; i++) {
                    effects[e] += share * (with[i] - without[i]);
                  }
                }
                synchronized (task) {
                  task.advance(part.truth.length, flops * part.truth.length);
                }
              });
        }
      }
    }
    return effects;
  }

  /**
   * The kept images ready for gates.
   *
   * @param edit whose units get gates
   */
  Gated gated(Edit edit) {
    List<Moved> moved = new ArrayList<>();
    for (Part part : parts) {
      try (Scope scope = Scope.open()) {
        Edit.Reading units = edit.target().read(encoded(part, edit.saes()));
        Tensor rows = edit.rule().moved(units.active());
        if (units.scale() != null) rows.mulInPlace(units.scale());
        Tensor value = part.paused.value();
        long k = units.directions().size(0);
        Tensor none = Tensor.zeros(DType.F32, value.size(0), value.size(1), k);
        Tensor residual = part.paused.middle() == null ? value : part.paused.middle().add(value);
        moved.add(
            new Moved(
                part,
                scope.release(residual.to(Device.CPU).to(DType.F32).copy()),
                scope.release(site.in(none).plus(rows)),
                scope.release(units.directions().copy())));
      }
    }
    return new Gated(moved, taken.length);
  }

  /**
   * A part's residual [b,t,d], how far the units' activations would move [b,t,k], and their
   * directions [k,d].
   */
  private record Moved(Part part, Tensor residual, Tensor moved, Tensor directions) {}

  /**
   * Images whose edit can be differentiated with respect to a gate for each unit. The loss of an
   * image is 1 less the softmax of its right answer, a smooth error; logits are scaled so that the
   * mean margin without an edit is {@link #TYPICAL_MARGIN}, where the softmax is neither a step nor
   * flat.
   */
  final class Gated implements AutoCloseable {
    private final List<List<Moved>> byGroup = new ArrayList<>();

    private final double typical;

    private Gated(List<Moved> all, int groups) {
      double margin = Arrays.stream(answers(null).margin()).map(Math::abs).average().orElse(1);
      typical = TYPICAL_MARGIN / Math.max(margin, 1e-6);
      for (int g = 0; g < groups; g++) {
        int group = g;
        List<Moved> own = all.stream().filter(one -> one.part.group == group).toList();
        if (!own.isEmpty()) byGroup.add(own);
      }
    }

    /** Groups with images. */
    int groups() {
      return byGroup.size();
    }

    /** Of a step, forwards and backwards. */
    double flops() {
      int images = byGroup.stream().mapToInt(own -> own.getFirst().part.truth.length).sum();
      return 3 * model.vision().flopsAfter(site.point().layer()) * images;
    }

    /**
     * The gradient of the weighted mean loss over one batch of every group.
     *
     * @param losses takes each group's mean loss, 0 to 1
     * @param step which of the batches
     */
    float[] gradient(float[] alpha, double[] weights, double[] losses, int step) {
      int k = alpha.length;
      try (Scope scope = Scope.open()) {
        Tensor gates = Tensor.of(alpha, 1, k);
        // The groups share the cores: each is a sequence of small operations.
        List<List<Tensor>> halves =
            SideBySide.run(
                false,
                half -> {
                  Tensor gradient = Tensor.zeros(DType.F32, 1, k);
                  for (int g = half; g < weights.length; g += SideBySide.COUNT) {
                    List<Moved> own = byGroup.get(g);
                    try (Scope recording = Scope.openRecording()) {
                      Tensor loss = loss(own.get(step % own.size()), gates.trainable(gradient));
                      losses[g] = loss.item();
                      loss.mul(weights[g]).backward();
                    }
                  }
                  return List.of(gradient);
                });
        return halves.getFirst().getFirst().add(halves.getLast().getFirst()).toFloats();
      }
    }

    private Tensor loss(Moved one, Tensor gates) {
      long b = one.residual.size(0);
      long t = one.residual.size(1);
      long k = one.moved.size(2);
      Tensor added = one.moved.reshape(b * t, k).mul(gates).matmul(one.directions);
      Tensor edited = one.residual.add(added.reshape(b, t, one.residual.size(2)));
      AnswerHead head = one.part.head;
      int words = head.words().size();
      Tensor outputs = head.reads(model.vision().recorded(edited, site.point().layer() + 1));
      Tensor logits = head.scores(outputs).mul(head.scale() * typical);
      float[] right = new float[Math.toIntExact(b) * words];
      for (int i = 0; i < b; i++) right[i * words + one.part.truth[i]] = -words;
      Tensor error = logits.logSoftmax(1).exp().mul(Tensor.of(right, b, words));
      return error.reshape(b * words).mean(0, false).add(Tensor.of(new float[] {1}));
    }

    @Override
    public void close() {
      for (List<Moved> own : byGroup) {
        for (Moved one : own) {
          one.residual.close();
          one.moved.close();
          one.directions.close();
        }
      }
    }
  }

  private EncodedTokens encoded(Part part, List<Sae> saes) {
    return new EncodedTokens(part.paused.value(), site, saes);
  }

  /** Margin of each right answer, with the tower continued from {@code from}. */
  private double[] margins(Paused from, Part part) {
    AnswerHead head = part.head;
    int words = head.words().size();
    float[] scores = head.scores(model.vision().continueFrom(from, Hooks.NONE)).toFloats();
    double[] margins = new double[part.truth.length];
    for (int i = 0; i < margins.length; i++) {
      double other = Double.NEGATIVE_INFINITY;
      for (int w = 0; w < words; w++) {
        if (w != part.truth[i]) other = Math.max(other, scores[i * words + w]);
      }
      margins[i] = head.scale() * (scores[i * words + part.truth[i]] - other);
    }
    return margins;
  }

  @Override
  public void close() {
    for (Part part : parts) part.paused.close();
  }
}
