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
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.ResidualEdit;
import io.clipsteer.engine.model.TowerOutput;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.TowerWalk;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Changes units inside the tower and evaluates the vocabulary again, on one image or many.
 *
 * @param sites the units that change, by hook point
 * @param rule the new activations of all units
 * @param strengths of the dose-response curve, or empty
 */
public record Steer(
    ClipModel model,
    AnswerHead head,
    Map<HookPoint, SteeredSite> sites,
    UnitRule rule,
    List<Strength> strengths) {
  /** Most probabilities kept: of all images, words and strengths. */
  private static final long MOST = 1L << 28;

  private static final int STRONGEST = 10;
  private static final int FOLLOWED = 3;
  private static final int MOVED = 5;

  /**
   * A word's probability.
   *
   * @param index its row in the head
   * @param word the word
   * @param probability mean over the images, 0 to 1
   * @param low lower end of its 95 % interval, cut off where probabilities end; of a single image
   *     the value
   * @param high upper end
   */
  public record WordProbability(
      int index, String word, double probability, double low, double high) {}

  /**
   * A feature on these images, before the edit.
   *
   * @param hookPoint of its SAE
   * @param feature its number
   * @param max largest activation over all tokens
   * @param mean mean activation over all tokens
   */
  public record Activity(String hookPoint, int feature, double max, double mean) {}

  /**
   * The answers at one strength.
   *
   * @param strength of the units
   * @param values their activations, by hook point: features, neurons, random directions
   * @param top the most probable words
   * @param followed the words that are among the first three at some strength, by row
   */
  public record CurvePoint(
      Strength strength,
      List<Float> values,
      List<WordProbability> top,
      List<WordProbability> followed) {}

  /**
   * The answers before and after.
   *
   * @param images how many images
   * @param before most probable words
   * @param spliced the same with the SAE's reconstruction spliced in and no unit changed; empty
   *     where the edit keeps the SAE's error
   * @param after the same after the edit
   * @param promoted words whose mean probability rose most; the numbers are the rise
   * @param suppressed words whose mean probability fell most
   * @param edited the edited features
   * @param strongest the strongest features of each hook point, by mean activation
   * @param curve in the order of the strengths; empty without strengths
   * @param skipped images that could not be read
   */
  public record SteeredAnswers(
      int images,
      List<WordProbability> before,
      List<WordProbability> spliced,
      List<WordProbability> after,
      List<WordProbability> promoted,
      List<WordProbability> suppressed,
      List<Activity> edited,
      List<Activity> strongest,
      List<CurvePoint> curve,
      List<ImageLoader.Skipped> skipped) {}

  /** Activations that a strength means, by hook point: features, neurons, random directions. */
  public List<Float> values(Strength strength) {
    return new TreeMap<>(sites)
        .values().stream().flatMap(site -> site.values(strength).stream()).toList();
  }

  /** Steers one image F32 [1,3,h,w]. */
  public SteeredAnswers one(Tensor pixels, int top) {
    Collector collector = new Collector();
    collector.add(pixels);
    return collector.answers(top, List.of());
  }

  /**
   * Steers many images.
   *
   * @throws InputException when no image can be read, or there are too many for memory
   */
  public SteeredAnswers all(Images batches, int top, Progress progress) {
    Collector collector = new Collector();
    double flops = (2 + strengths.size()) * model.vision().flopsPerImage();
    List<ImageLoader.Skipped> skipped =
        batches.forEach("steering", flops, progress, (batch, pixels) -> collector.add(pixels));
    return collector.answers(top, skipped);
  }

  /** Collects probabilities and activations image by image, then summarises them. */
  private final class Collector {
    private final Map<HookPoint, SteeredSite> ordered = new TreeMap<>(sites);
    private final TowerWalk walk = TowerWalk.past(model.vision(), sites.keySet());

    /** Probabilities of the words: a row an image. */
    private final List<float[]> before = new ArrayList<>();

    private final List<float[]> spliced = new ArrayList<>();
    private final List<float[]> after = new ArrayList<>();
    private final boolean splices = sites.values().stream().anyMatch(SteeredSite::splice);
    private final List<List<float[]>> curve = new ArrayList<>();
    private final Map<HookPoint, Activations> activations = new TreeMap<>();

    Collector() {
      for (int k = 0; k < strengths.size(); k++) curve.add(new ArrayList<>());
      ordered.forEach((at, site) -> activations.put(at, new Activations(at, site.sae())));
    }

    void add(Tensor pixels) {
      long kept = (before.size() + pixels.size(0)) * head.words().size();
      if (kept * (3L + strengths.size()) > MOST) {
        throw new InputException(
            "the images", "are too many for so many words and strengths", "Use --limit");
      }
      try (Scope scope = Scope.open()) {
        List<Paused> first = new ArrayList<>();
        // Activations are those before any edit, as the edits of one site are.
        Paused last =
            walk.walk(
                pixels,
                paused -> {
                  if (first.isEmpty()) first.add(paused.map(tensor -> scope.keep(tensor.copy())));
                  Objects.requireNonNull(activations.get(paused.at())).add(paused.value());
                });
        before.addAll(probabilities(model.vision().continueFrom(last, Hooks.NONE)));
        if (splices) spliced.addAll(edited(first.getFirst(), null));
        after.addAll(edited(first.getFirst(), rule));
        for (int k = 0; k < strengths.size(); k++) {
          curve.get(k).addAll(edited(first.getFirst(), UnitRule.set(strengths.get(k))));
        }
      }
    }

    /** Probabilities after the edits of all sites; a null rule changes no unit. */
    private List<float[]> edited(Paused paused, @Nullable UnitRule other) {
      try (Scope scope = Scope.open()) {
        Hooks hooks = Hooks.NONE;
        Paused changed = paused;
        for (var site : ordered.entrySet()) {
          ResidualEdit edit = site.getValue().edit(other);
          if (site.getKey().equals(paused.at())) {
            changed = paused.with(edit.edit(paused.at(), paused.value()));
          } else {
            hooks = hooks.edit(site.getKey(), edit);
          }
        }
        return probabilities(model.vision().continueFrom(changed, hooks));
      }
    }

    private List<float[]> probabilities(TowerOutput output) {
      int words = head.words().size();
      float[] p = head.scores(output).mulInPlace(head.scale()).softmax().toFloats();
      for (float one : p) {
        if (!Float.isFinite(one)) {
          throw new InputException(
              "answers", "a logit is not finite", "Steer less far, or check the weights");
        }
      }
      List<float[]> rows = new ArrayList<>();
      for (int at = 0; at < p.length; at += words) rows.add(Arrays.copyOfRange(p, at, at + words));
      return rows;
    }

    private double[] means(List<float[]> rows) {
      double[] means = new double[head.words().size()];
      for (float[] row : rows) for (int w = 0; w < means.length; w++) means[w] += row[w];
      for (int w = 0; w < means.length; w++) means[w] /= rows.size();
      return means;
    }

    SteeredAnswers answers(int top, List<ImageLoader.Skipped> skipped) {
      double[] was = means(before);
      double[] is = means(after);
      double[] change = IntStream.range(0, was.length).mapToDouble(w -> is[w] - was[w]).toArray();
      List<Activity> edited = new ArrayList<>();
      List<Activity> strongest = new ArrayList<>();
      activations.forEach(
          (point, of) -> {
            SteeredSite site = Objects.requireNonNull(ordered.get(point));
            site.units().features().forEach(feature -> edited.add(of.of(feature)));
            strongest.addAll(of.strongest());
          });
      return new SteeredAnswers(
          before.size(),
          answers(largest(was, top), before, null),
          splices ? answers(largest(means(spliced), top), spliced, null) : List.of(),
          answers(largest(is, top), after, null),
          moved(change, 1),
          moved(change, -1),
          List.copyOf(edited),
          List.copyOf(strongest),
          curve(top),
          skipped);
    }

    /** Words that rose, or with −1 fell, most; paired by image. */
    private List<WordProbability> moved(double[] change, int sign) {
      double[] signed = Arrays.stream(change).map(c -> sign * c).toArray();
      List<Integer> words =
          largest(signed, MOVED).stream().filter(word -> signed[word] > 0).toList();
      return answers(words, after, before);
    }

    private List<CurvePoint> curve(int top) {
      Set<Integer> followed = new LinkedHashSet<>();
      for (List<float[]> rows : curve) followed.addAll(largest(means(rows), FOLLOWED));
      List<Integer> words = followed.stream().sorted().toList();
      List<CurvePoint> points = new ArrayList<>();
      for (int k = 0; k < strengths.size(); k++) {
        List<float[]> rows = curve.get(k);
        points.add(
            new CurvePoint(
                strengths.get(k),
                values(strengths.get(k)),
                answers(largest(means(rows), top), rows, null),
                answers(words, rows, null)));
      }
      return points;
    }

    /** Mean probabilities of words, or their mean differences from other rows. */
    private List<WordProbability> answers(
        List<Integer> words, List<float[]> rows, @Nullable List<float[]> less) {
      List<WordProbability> answers = new ArrayList<>();
      for (int word : words) {
        double[] values = rows.stream().mapToDouble(row -> row[word]).toArray();
        if (less != null) for (int i = 0; i < values.length; i++) values[i] -= less.get(i)[word];
        Mean mean = Mean.of(values);
        boolean single = mean.n() == 1;
        int least = less == null ? 0 : -1;
        answers.add(
            new WordProbability(
                word,
                head.words().get(word),
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

  /** Activations of an SAE's features over all tokens. */
  private static final class Activations {
    private final HookPoint point;
    private final Sae sae;
    private final double[] max;
    private final double[] sum;
    private long tokens;

    Activations(HookPoint point, Sae sae) {
      this.point = point;
      this.sae = sae;
      max = new double[sae.features()];
      sum = new double[sae.features()];
    }

    /** Adds a residual [b,t,d]. */
    void add(Tensor residual) {
      try (Scope scope = Scope.open()) {
        long rows = residual.size(0) * residual.size(1);
        Tensor x = residual.to(Device.CPU).to(DType.F32).reshape(rows, residual.size(2));
        var code = sae.encode(x.contiguous()).code();
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

    Activity of(int feature) {
      return new Activity(point.peerName(), feature, max[feature], sum[feature] / tokens);
    }

    List<Activity> strongest() {
      return largest(sum, STRONGEST).stream()
          .map(this::of)
          .filter(activity -> activity.max > 0)
          .toList();
    }
  }
}
