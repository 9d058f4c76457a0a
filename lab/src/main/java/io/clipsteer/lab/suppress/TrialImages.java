// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.EncodedTokens;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.study.LabelledImages;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A few training images of each group at one place, kept so that edits can be tried on them: the
 * tower goes on from there and never starts again.
 */
final class TrialImages implements AutoCloseable {
  /** Images kept at a place, all groups together. */
  static final int IMAGES = 256;

  /** Images that go on together: large enough for the matrix products, small enough for caches. */
  private static final int TOGETHER = 64;

  private final ClipModel model;
  private final EditSite place;
  private final int most;
  private final List<Part> parts = new ArrayList<>();
  private final int[] taken;

  /** Kept images of one group that share an answer sheet. */
  private record Part(Paused paused, TextLibrary library, int[] truth, int group) {
    /** Both, in the current scope. */
    Part and(Part other) {
      @Nullable Tensor middle = paused.middle();
      @Nullable Tensor more = other.paused.middle();
      return new Part(
          new Paused(
              paused.at(),
              Tensor.concat(List.of(paused.value(), other.paused.value()), 0),
              middle == null || more == null ? null : Tensor.concat(List.of(middle, more), 0)),
          library,
          IntStream.concat(IntStream.of(truth), IntStream.of(other.truth)).toArray(),
          group);
    }

    boolean hasRoomFor(Part other) {
      return library == other.library
          && group == other.group
          && truth.length + other.truth.length <= TOGETHER;
    }
  }

  /** For a place, with room for the same number of images of each group. */
  TrialImages(ClipModel model, EditSite place, int groups) {
    this.model = model;
    this.place = place;
    most = Math.max(1, IMAGES / groups);
    taken = new int[groups];
  }

  /** Keeps those of a batch for whose groups there is room. */
  void add(Paused paused, LabelledImages cases, ImageBatch batch) {
    int[] group = cases.group(batch);
    int[] truth = cases.truth(batch);
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
        Paused mine = paused.map(tensor -> tensor.indexSelect(0, which));
        keep(new Part(mine, cases.library(), right, g), scope);
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
   * How sure the kept images' answers are.
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
   * Asks all kept images.
   *
   * @param edit null for none
   */
  Answers ask(@Nullable Edit edit) {
    int n = parts.stream().mapToInt(part -> part.truth.length).sum();
    int[] group = new int[n];
    double[] margin = new double[n];
    int at = 0;
    for (Part part : parts) {
      try (Scope scope = Scope.open()) {
        Paused paused = part.paused;
        Paused from = edit == null ? paused : paused.with(moment(part, edit.saes()).edited(edit));
        double[] margins = margins(from, part);
        System.arraycopy(margins, 0, margin, at, margins.length);
        Arrays.fill(group, at, at + margins.length, part.group);
        at += margins.length;
      }
    }
    return new Answers(group, margin);
  }

  /**
   * Asks some groups' images without and with each of many edits.
   *
   * @return of each edit, how far it raises the mean margin, each group counting alike; exactly 0
   *     where it changes nothing
   */
  double[] effects(Set<Integer> groups, List<Edit> edits, String name, Progress progress) {
    List<Part> mine = parts.stream().filter(part -> groups.contains(part.group)).toList();
    int[] images = new int[taken.length];
    for (Part part : mine) images[part.group] += part.truth.length;
    long n = IntStream.of(images).sum();
    List<Sae> saes = edits.stream().flatMap(edit -> edit.saes().stream()).toList();
    double flops = model.vision().flopsAfter(place.point().layer());
    double[] effects = new double[edits.size()];
    try (var task = progress.start(name, n * edits.size(), "answers")) {
      for (Part part : mine) {
        try (Scope scope = Scope.open()) {
          EncodedTokens moment = moment(part, saes);
          double[] without = margins(part.paused, part);
          double share = 1.0 / groups.size() / images[part.group];
          for (int e = 0; e < effects.length; e++) {
            try (Scope step = Scope.open()) {
              Paused edited = part.paused.with(moment.edited(edits.get(e)));
              double[] with = margins(edited, part);
              for (int i = 0; i < with.length; i++) effects[e] += share * (with[i] - without[i]);
            }
            task.advance(part.truth.length, flops * part.truth.length);
          }
        }
      }
    }
    return effects;
  }

  private EncodedTokens moment(Part part, List<Sae> saes) {
    return new EncodedTokens(part.paused.value(), place, saes);
  }

  /** How far each right answer is above the others, from a place on. */
  private double[] margins(Paused from, Part part) {
    Tensor embedding = model.vision().continueFrom(from, Hooks.NONE).embedding();
    TextLibrary library = part.library;
    int words = library.words().size();
    Tensor texts = Tensor.of(library.embeddings(), words, library.width());
    float[] cosines =
        embedding.to(io.clipsteer.engine.Device.CPU).matmul(texts.transpose(0, 1)).toFloats();
    double[] margins = new double[part.truth.length];
    for (int i = 0; i < margins.length; i++) {
      double other = Double.NEGATIVE_INFINITY;
      for (int w = 0; w < words; w++) {
        if (w != part.truth[i]) other = Math.max(other, cosines[i * words + w]);
      }
      margins[i] = model.logitScale() * (cosines[i * words + part.truth[i]] - other);
    }
    return margins;
  }

  @Override
  public void close() {
    for (Part part : parts) part.paused.close();
  }
}
