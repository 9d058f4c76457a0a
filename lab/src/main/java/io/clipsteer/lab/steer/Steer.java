// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.stats.Mean;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.Site;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.run.Images;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Changes units inside the tower and asks again, on one image or many.
 *
 * @param edits what is changed, by place; the pushes of all are the same
 * @param strengths of the curve, or empty
 */
public record Steer(
    ClipModel model, TextLibrary library, Map<HookPoint, UnitEdit> edits, double[] strengths) {
  /** Probabilities kept: of all images, words and strengths. */
  private static final long MOST = 1L << 28;

  private static final int STRONGEST = 10;
  private static final int FOLLOWED = 3;
  private static final int MOVED = 5;

  /**
   * A word's probability.
   *
   * @param index its row in the library
   * @param word the word
   * @param probability mean over the images, 0 to 1
   * @param low lower end of its 95 % interval, cut off where probabilities end; of a single image
   *     the value
   * @param high upper end
   */
  public record Answer(int index, String word, double probability, double low, double high) {}

  /**
   * A feature on these images, before the edit.
   *
   * @param hookPoint its place
   * @param feature its number
   * @param max largest activation over all tokens
   * @param mean mean activation over all tokens
   */
  public record Activity(String hookPoint, int feature, double max, double mean) {}

  /**
   * The answers at one strength.
   *
   * @param strength what the units are set to
   * @param top the most probable words
   * @param followed of the words that are among the first three at some strength, by row
   */
  public record Point(double strength, List<Answer> top, List<Answer> followed) {}

  /**
   * What came out.
   *
   * @param images how many images
   * @param before most probable words
   * @param spliced the same with the SAE's reconstruction in the residual's place and no unit
   *     changed; empty where the edit leaves the SAE's error in
   * @param after the same after the edit
   * @param promoted words whose mean probability rose most; the numbers are the rise
   * @param suppressed words whose mean probability fell most
   * @param edited the edited features
   * @param strongest the strongest features of each place, by mean activation
   * @param curve by rising strength, if asked for
   * @param skipped images left out
   */
  public record Result(
      int images,
      List<Answer> before,
      List<Answer> spliced,
      List<Answer> after,
      List<Answer> promoted,
      List<Answer> suppressed,
      List<Activity> edited,
      List<Activity> strongest,
      List<Point> curve,
      List<ImageLoader.Skipped> skipped) {}

  /** Probabilities of a run of images: a row an image. */
  private static final class Rows {
    private final int words;
    private final List<float[]> rows = new ArrayList<>();

    Rows(int words) {
      this.words = words;
    }

    void add(float[] some) {
      for (int at = 0; at < some.length; at += words) {
        rows.add(Arrays.copyOfRange(some, at, at + words));
      }
    }

    double[] of(int word) {
      return rows.stream().mapToDouble(row -> row[word]).toArray();
    }

    double[] means() {
      double[] means = new double[words];
      for (float[] row : rows) for (int w = 0; w < words; w++) means[w] += row[w];
      for (int w = 0; w < words; w++) means[w] /= rows.size();
      return means;
    }
  }

  /** One image F32 [1,3,h,w]. */
  public Result one(Tensor pixels, int top) {
    Asked asked = new Asked();
    asked.accept(pixels);
    return asked.result(top, List.of());
  }

  /**
   * Many images.
   *
   * @throws InputException when no image can be read, or there are too many for memory
   */
  public Result all(Images batches, int top, Progress progress) {
    Asked asked = new Asked();
    try (var task = progress.start("steering", batches.count(), "images")) {
      List<ImageLoader.Skipped> skipped =
          batches.forEach(
              (batch, pixels) -> {
                asked.accept(pixels);
                double passes = 2 + strengths.length;
                task.advance(
                    batch.count(), passes * batch.count() * model.vision().flopsPerImage());
              });
      return asked.result(top, skipped);
    }
  }

  /** Places in the tower's order. */
  private List<HookPoint> points() {
    return edits.keySet().stream()
        .sorted(
            Comparator.comparingInt(HookPoint::layer)
                .thenComparing(point -> point.site() == Site.RESID_POST))
        .toList();
  }

  /** Takes images, then sums up. */
  private final class Asked implements Consumer<Tensor> {
    private final List<HookPoint> points = points();
    private final Rows before = new Rows(library.words().size());
    private final Rows spliced = new Rows(library.words().size());
    private final Rows after = new Rows(library.words().size());
    private final boolean splices = edits.values().stream().anyMatch(UnitEdit::splice);
    private final List<Rows> curve = new ArrayList<>();
    private final Map<HookPoint, Activations> activations = new LinkedHashMap<>();

    Asked() {
      ZeroShot.checkFits(model, library);
      for (int k = 0; k < strengths.length; k++) curve.add(new Rows(library.words().size()));
    }

    @Override
    public void accept(Tensor pixels) {
      long kept = (before.rows.size() + pixels.size(0)) * library.words().size();
      if (kept * (3L + strengths.length) > MOST) {
        throw new InputException(
            "the images", "are too many for so many words and strengths", "Use --limit");
      }
      HookPoint first = points.getFirst();
      try (Scope scope = Scope.open()) {
        Paused paused = model.vision().runUntil(pixels, first, Hooks.NONE);
        // The places are read before anything is changed, as the edits of one place do.
        Hooks reading = Hooks.NONE;
        read(first, paused.value());
        for (HookPoint point : points.subList(1, points.size())) {
          reading = reading.tap(point, value -> read(point, value));
        }
        before.add(probabilities(model.vision().continueFrom(paused, reading).embedding()));
        // A factor of 1 changes no unit: what is left is the splice.
        if (splices) spliced.add(edited(paused, Push.scale(1)));
        after.add(edited(paused, null));
        for (int k = 0; k < strengths.length; k++) {
          curve.get(k).add(edited(paused, Push.set(strengths[k])));
        }
      }
    }

    private void read(HookPoint point, Tensor value) {
      Sae sae = edit(point).sae();
      activations.computeIfAbsent(point, p -> new Activations(sae.features())).add(sae, value);
    }

    private UnitEdit edit(HookPoint point) {
      UnitEdit edit = edits.get(point);
      if (edit == null) throw new IllegalStateException("no edit at " + point);
      return edit;
    }

    private float[] edited(Paused paused, @Nullable Push push) {
      try (Scope scope = Scope.open()) {
        Hooks hooks = Hooks.NONE;
        Paused changed = paused;
        for (HookPoint point : points) {
          UnitEdit edit = push == null ? edit(point) : edit(point).with(push);
          if (point.equals(paused.at())) changed = paused.with(edit.edit(point, paused.value()));
          else hooks = hooks.edit(point, edit);
        }
        return probabilities(model.vision().continueFrom(changed, hooks).embedding());
      }
    }

    private float[] probabilities(Tensor embeddings) {
      int words = library.words().size();
      Tensor texts = Tensor.of(library.embeddings(), words, library.width());
      float[] p =
          embeddings
              .to(Device.CPU)
              .to(DType.F32)
              .matmul(texts.transpose(0, 1))
              .mulInPlace(model.logitScale())
              .softmax()
              .toFloats();
      for (float one : p) {
        if (!Float.isFinite(one)) {
          throw new InputException(
              "answers", "a logit is not finite", "Steer less far, or check the weights");
        }
      }
      return p;
    }

    Result result(int top, List<ImageLoader.Skipped> skipped) {
      double[] was = before.means();
      double[] is = after.means();
      double[] change = IntStream.range(0, was.length).mapToDouble(w -> is[w] - was[w]).toArray();
      List<Activity> edited = new ArrayList<>();
      for (HookPoint point : points) {
        for (int feature : edit(point).features()) {
          edited.add(activations(point).of(point, feature));
        }
      }
      return new Result(
          before.rows.size(),
          answers(largest(was, top), before, null),
          splices ? answers(largest(spliced.means(), top), spliced, null) : List.of(),
          answers(largest(is, top), after, null),
          moved(change, 1),
          moved(change, -1),
          List.copyOf(edited),
          points.stream().flatMap(at -> activations(at).strongest(at).stream()).toList(),
          curve(top),
          skipped);
    }

    private Activations activations(HookPoint point) {
      Activations found = activations.get(point);
      if (found == null) throw new IllegalStateException("nothing was read at " + point);
      return found;
    }

    /** Words that rose, or with −1 fell, most; paired by image. */
    private List<Answer> moved(double[] change, int sign) {
      double[] signed = Arrays.stream(change).map(c -> sign * c).toArray();
      List<Integer> words =
          largest(signed, MOVED).stream().filter(word -> signed[word] > 0).toList();
      return answers(words, after, before);
    }

    private List<Point> curve(int top) {
      Set<Integer> followed = new LinkedHashSet<>();
      for (Rows rows : curve) followed.addAll(largest(rows.means(), FOLLOWED));
      List<Integer> words = followed.stream().sorted().toList();
      List<Point> points = new ArrayList<>();
      for (int k = 0; k < strengths.length; k++) {
        Rows rows = curve.get(k);
        points.add(
            new Point(
                strengths[k],
                answers(largest(rows.means(), top), rows, null),
                answers(words, rows, null)));
      }
      return points;
    }

    /** Means of words, or of what they differ from others by. */
    private List<Answer> answers(List<Integer> words, Rows rows, @Nullable Rows less) {
      List<Answer> answers = new ArrayList<>();
      for (int word : words) {
        double[] values = rows.of(word);
        if (less != null) {
          double[] other = less.of(word);
          for (int i = 0; i < values.length; i++) values[i] -= other[i];
        }
        Mean mean = Mean.of(values);
        boolean single = mean.n() == 1;
        int least = less == null ? 0 : -1;
        answers.add(
            new Answer(
                word,
                library.words().get(word),
                mean.value(),
                single ? mean.value() : Math.max(least, mean.low()),
                single ? mean.value() : Math.min(1, mean.high())));
      }
      return answers;
    }
  }

  /** Rows of the largest values, largest first; of equals the lower row first. */
  private static List<Integer> largest(double[] values, int most) {
    return IntStream.range(0, values.length)
        .boxed()
        .sorted(Comparator.comparingDouble((Integer w) -> -values[w]))
        .limit(most)
        .toList();
  }

  /** How active an SAE's features are. */
  private static final class Activations {
    private final double[] max;
    private final double[] sum;
    private long tokens;

    Activations(int features) {
      max = new double[features];
      sum = new double[features];
    }

    void add(Sae sae, Tensor residual) {
      try (Scope scope = Scope.open()) {
        long rows = residual.size(0) * residual.size(1);
        var code =
            sae.encode(
                    residual
                        .to(Device.CPU)
                        .to(DType.F32)
                        .reshape(rows, residual.size(2))
                        .contiguous())
                .code();
        var numbers = code.indices().segment();
        var values = code.values().segment();
        for (int e = 0; e < code.entries(); e++) {
          int feature = numbers.getAtIndex(ValueLayout.JAVA_INT, e);
          float value = values.getAtIndex(ValueLayout.JAVA_FLOAT, e);
          max[feature] = Math.max(max[feature], value);
          sum[feature] += value;
        }
        tokens += rows;
      }
    }

    Activity of(HookPoint point, int feature) {
      return new Activity(point.peerName(), feature, max[feature], sum[feature] / tokens);
    }

    List<Activity> strongest(HookPoint point) {
      return largest(sum, STRONGEST).stream()
          .map(feature -> of(point, feature))
          .filter(activity -> activity.max > 0)
          .toList();
    }
  }
}
