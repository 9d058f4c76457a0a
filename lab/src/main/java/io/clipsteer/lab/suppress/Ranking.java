// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.Progress;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.lab.study.Groups;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Features in the order in which they are taken, on training images alone.
 *
 * @param place where their edits happen
 * @param seen what they were on the images
 * @param probe images to try edits on, where the way of ranking needs them
 */
record Ranking(
    SuppressionSettings settings,
    Groups groups,
    EditSite place,
    GroupStatistics seen,
    @Nullable TrialImages probe) {
  /** Features that are tried one by one, by the size of the mean difference. */
  static final int TRIED = 128;

  /** Features that greedy selection draws on, by mean difference, and how many it takes. */
  static final int POOL = 32;

  static final int TAKEN = 16;

  /** Whether a way of ranking tries edits. */
  static boolean probes(SuppressionSettings.Select select) {
    return select == SuppressionSettings.Select.CAUSAL
        || select == SuppressionSettings.Select.GREEDY;
  }

  /** The features, first the one to take first; perhaps none. */
  int[] features(Progress progress) {
    double[] difference = seen.featureDifference(groups);
    int[] byDifference = best(difference, 0, difference.length);
    return switch (settings.select()) {
      case MEAN_DIFFERENCE -> byDifference;
      case AUROC -> {
        double[] auroc = Separation.auroc(seen, groups);
        yield best(auroc, 0.5, auroc.length);
      }
      case ENERGY -> best(seen.featureEnergy(groups), 0, difference.length);
      case CAUSAL -> {
        double[] size = Arrays.stream(difference).map(Math::abs).toArray();
        yield causal(best(size, 0, TRIED), size, progress);
      }
      case GREEDY -> greedy(first(byDifference, POOL), progress);
    };
  }

  private static int[] first(int[] ids, int most) {
    return Arrays.copyOf(ids, Math.min(most, ids.length));
  }

  /** Those above a bound, largest first; of equal ones the lower number first. */
  static int[] best(double[] scores, double bound, int most) {
    return IntStream.range(0, scores.length)
        .filter(i -> scores[i] > bound)
        .boxed()
        .sorted(Comparator.comparingDouble((Integer i) -> -scores[i]).thenComparing(i -> i))
        .limit(most)
        .mapToInt(Integer::intValue)
        .toArray();
  }

  private TrialImages tried() {
    if (probe == null) throw new IllegalStateException("no images were kept");
    return probe;
  }

  private Edit edit(int... ids) {
    return edit(place, seen, groups, settings, ids);
  }

  /** What the settings make of features. */
  static Edit edit(
      EditSite place,
      GroupStatistics seen,
      Groups groups,
      SuppressionSettings settings,
      int... ids) {
    boolean cap = settings.change() instanceof SuppressionSettings.Change.Cap;
    float[] values = seen.values(ids, groups, settings.change());
    return new Edit(
        place,
        new Edit.Features(seen.sae(), ids),
        cap ? new Rule.Cap(values) : new Rule.Set(values));
  }

  /**
   * Size of the mean difference times effect, where the effect is above 0: how far the edit of the
   * feature alone raises the margin of the right answer over the wrong one, on the images of the
   * groups that are answered worse than the mean group. Those lean on the attribute's absence as on
   * its presence (a woman who is not blond, a man who is), so features of both count.
   */
  private int[] causal(int[] ids, double[] size, Progress progress) {
    List<Edit> alone = IntStream.of(ids).mapToObj(id -> edit(id)).toList();
    double[] effect = tried().effects(misjudged(), alone, "trying features one by one", progress);
    double[] score = new double[size.length];
    for (int i = 0; i < ids.length; i++) {
      score[ids[i]] = size[ids[i]] * Math.max(0, effect[i]);
    }
    return best(score, 0, ids.length);
  }

  /** Groups that are answered worse than the mean group, or, where all are answered alike, all. */
  private Set<Integer> misjudged() {
    TrialImages.Answers before = tried().ask(null);
    Map<Integer, Double> accuracies = new TreeMap<>();
    for (int g = 0; g < groups.count(); g++) {
      double accuracy = before.accuracy(g);
      if (!Double.isNaN(accuracy)) accuracies.put(g, accuracy);
    }
    double mean = accuracies.values().stream().mapToDouble(a -> a).average().orElse(0);
    Set<Integer> worse = new TreeSet<>(accuracies.keySet());
    worse.removeIf(g -> accuracies.getOrDefault(g, 1.0) >= mean);
    return worse.isEmpty() ? accuracies.keySet() : worse;
  }

  /**
   * Takes what brings smooth accuracies nearest to the goal, as long as anything does. After the
   * first round a feature is asked again only while what it gave last could beat the best of the
   * round (lazy greedy, Minoux 1978): what it gives seldom grows as others are taken.
   */
  private int[] greedy(int[] pool, Progress progress) {
    Map<Integer, Double> gave = new LinkedHashMap<>();
    for (int id : pool) gave.put(id, Double.POSITIVE_INFINITY);
    List<Integer> taken = new ArrayList<>();
    double reached = reached(tried().ask(null));
    try (var task = progress.start("taking features one by one", TAKEN, "features")) {
      while (taken.size() < TAKEN) {
        int best = -1;
        double most = 0;
        for (int id : promising(gave)) {
          if (gave.getOrDefault(id, 0.0) <= most) break;
          int[] with =
              IntStream.concat(taken.stream().mapToInt(i -> i), IntStream.of(id)).toArray();
          double gives = reached(tried().ask(edit(with))) - reached;
          gave.put(id, gives);
          if (gives > most) {
            most = gives;
            best = id;
          }
        }
        if (best < 0) break;
        reached += most;
        taken.add(best);
        gave.remove(best);
        task.advance(1, 0);
      }
    }
    return taken.stream().mapToInt(Integer::intValue).toArray();
  }

  private double reached(TrialImages.Answers answers) {
    return settings.goal().value(groups, answers.smooth(groups.count()));
  }

  /** What gave most first; of equal ones the one earlier in the pool. */
  private static List<Integer> promising(Map<Integer, Double> gave) {
    return gave.entrySet().stream()
        .sorted(Map.Entry.<Integer, Double>comparingByValue().reversed())
        .map(Map.Entry::getKey)
        .toList();
  }
}
