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

/**
 * Ranks features on training images alone.
 *
 * @param site that edits apply to
 * @param statistics of the SAE on the training images
 * @param trials images for trial edits
 */
record Ranking(
    SuppressionSettings settings,
    Groups groups,
    EditSite site,
    GroupStatistics statistics,
    TrialImages trials) {
  /** Features of causal ranking that are ablated one by one, by the size of the mean difference. */
  static final int TRIED = 128;

  /** Features that get a gate, by the size of the mean difference. */
  static final int GATED = 256;

  /** Features that greedy selection chooses from, by mean difference, and how many it takes. */
  static final int POOL = 32;

  static final int TAKEN = 16;

  /** Training images for trial edits, all groups together. */
  static int images(SuppressionSettings.Select select) {
    return switch (select) {
      case MEAN_DIFFERENCE, AUROC, ENERGY -> 64;
      case CAUSAL, GREEDY -> 256;
      case GATES -> 1024;
    };
  }

  /**
   * Ranked features.
   *
   * @param ids numbers, best first; perhaps none
   * @param strengths of each one's edit
   */
  record Ranked(int[] ids, float[] strengths) {
    /** With edits of strength 1. */
    private static Ranked of(int[] ids) {
      float[] strengths = new float[ids.length];
      Arrays.fill(strengths, 1);
      return new Ranked(ids, strengths);
    }

    /** The best ones, at most so many. */
    Ranked first(int most) {
      int n = Math.min(most, ids.length);
      return new Ranked(Arrays.copyOf(ids, n), Arrays.copyOf(strengths, n));
    }
  }

  /** Ranks the features. */
  Ranked features(Progress progress) {
    double[] difference = statistics.featureDifference(groups);
    int[] byDifference = best(difference, 0, difference.length);
    return switch (settings.select()) {
      case MEAN_DIFFERENCE -> Ranked.of(byDifference);
      case AUROC -> {
        double[] auroc = statistics.auroc(groups);
        yield Ranked.of(best(auroc, 0.5, auroc.length));
      }
      case ENERGY -> Ranked.of(best(statistics.featureEnergy(groups), 0, difference.length));
      case CAUSAL -> {
        double[] size = Arrays.stream(difference).map(Math::abs).toArray();
        yield Ranked.of(causal(best(size, 0, TRIED), size, progress));
      }
      case GATES -> {
        double[] size = Arrays.stream(difference).map(Math::abs).toArray();
        yield gates(best(size, 0, GATED), size.length, progress);
      }
      case GREEDY -> Ranked.of(greedy(first(byDifference, POOL), progress));
    };
  }

  private static int[] first(int[] ids, int most) {
    return Arrays.copyOf(ids, Math.min(most, ids.length));
  }

  /** Indices of scores above a bound, largest first; of equal ones the lower index first. */
  static int[] best(double[] scores, double bound, int most) {
    return IntStream.range(0, scores.length)
        .filter(i -> scores[i] > bound)
        .boxed()
        .sorted(Comparator.comparingDouble((Integer i) -> -scores[i]).thenComparing(i -> i))
        .limit(most)
        .mapToInt(Integer::intValue)
        .toArray();
  }

  private Edit edit(int... ids) {
    return edit(Ranked.of(ids));
  }

  /** The settings' edit of features. */
  Edit edit(Ranked features) {
    boolean cap = settings.change().rule() == SuppressionSettings.ChangeRule.CAP;
    float[] values = statistics.values(features.ids, groups, settings.change());
    Rule whole = cap ? new Rule.Cap(values) : new Rule.Set(values);
    boolean plain = true;
    for (float strength : features.strengths) plain &= strength == 1;
    return new Edit(
        site,
        new Edit.Features(statistics.sae(), features.ids),
        plain ? whole : new Rule.Times(whole, features.strengths));
  }

  /**
   * Size of the mean difference times effect, for effects above 0. The effect is the rise of the
   * margin of the right answer over the wrong ones when the feature alone is edited, on images of
   * the groups with less than mean accuracy. Those groups rely on the attribute's absence as well
   * as on its presence (a woman who is not blond, a man who is), so features of both count.
   */
  private int[] causal(int[] ids, double[] size, Progress progress) {
    double[] effect = effects(ids, progress);
    double[] score = new double[size.length];
    for (int i = 0; i < ids.length; i++) {
      score[ids[i]] = size[ids[i]] * Math.max(0, effect[i]);
    }
    return best(score, 0, ids.length);
  }

  /** The rise of the margin, in logits, when each feature alone is edited. */
  double[] effects(int[] ids, Progress progress) {
    List<Edit> alone = IntStream.of(ids).mapToObj(id -> edit(id)).toList();
    return trials.effects(weakGroups(), alone, "single-feature edits", progress);
  }

  /** By the gate that each learns beside the others. */
  private Ranked gates(int[] ids, int features, Progress progress) {
    if (ids.length == 0) return Ranked.of(ids);
    try (TrialImages.Gated images = trials.gated(edit(Ranked.of(ids)))) {
      double[] learnt = Gates.learn(images, ids.length, progress);
      double[] score = new double[features];
      for (int i = 0; i < ids.length; i++) score[ids[i]] = learnt[i];
      int[] best = best(score, 0, ids.length);
      float[] strengths = new float[best.length];
      for (int i = 0; i < best.length; i++) strengths[i] = (float) score[best[i]];
      return new Ranked(best, strengths);
    }
  }

  /** Groups with less than mean accuracy, or all groups where all accuracies are equal. */
  private Set<Integer> weakGroups() {
    TrialImages.Answers before = trials.answers(null);
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
   * Adds the feature that raises the goal of the smooth accuracies most, while any does. After the
   * first round a feature is tried again only while its last gain could beat the best of the round
   * (lazy greedy, Minoux 1978): gains seldom grow as other features are added.
   */
  private int[] greedy(int[] pool, Progress progress) {
    Map<Integer, Double> gains = new LinkedHashMap<>();
    for (int id : pool) gains.put(id, Double.POSITIVE_INFINITY);
    List<Integer> taken = new ArrayList<>();
    double reached = reached(trials.answers(null));
    try (var task = progress.start("greedy feature selection", TAKEN, "features")) {
      while (taken.size() < TAKEN) {
        int best = -1;
        double most = 0;
        for (int id : promising(gains)) {
          if (gains.getOrDefault(id, 0.0) <= most) break;
          int[] with =
              IntStream.concat(taken.stream().mapToInt(i -> i), IntStream.of(id)).toArray();
          double gain = reached(trials.answers(edit(with))) - reached;
          gains.put(id, gain);
          if (gain > most) {
            most = gain;
            best = id;
          }
        }
        if (best < 0) break;
        reached += most;
        taken.add(best);
        gains.remove(best);
        task.advance(1, 0);
      }
    }
    return taken.stream().mapToInt(Integer::intValue).toArray();
  }

  private double reached(TrialImages.Answers answers) {
    return settings.goal().value(groups, answers.smooth(groups.count()));
  }

  /** Largest last gain first; of equal ones the one earlier in the pool. */
  private static List<Integer> promising(Map<Integer, Double> gains) {
    return gains.entrySet().stream()
        .sorted(Map.Entry.<Integer, Double>comparingByValue().reversed())
        .map(Map.Entry::getKey)
        .toList();
  }
}
