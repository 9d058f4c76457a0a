// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.lab.study.Groups;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * A candidate with its score on validation images.
 *
 * @param score on validation images
 */
public record Choice(Candidate candidate, GroupScore score) {
  /** All candidates with their scores. */
  static List<Choice> all(List<Candidate> candidates, Groups groups, EditTrial.TrialResult result) {
    int[] once = new int[result.groups().size()];
    Arrays.fill(once, 1);
    return all(candidates, groups, result, once);
  }

  /**
   * All candidates with their scores on a sample of the images.
   *
   * @param times how often each image is in the sample
   */
  static List<Choice> all(
      List<Candidate> candidates, Groups groups, EditTrial.TrialResult result, int[] times) {
    List<Choice> all = new ArrayList<>();
    for (int c = 0; c < candidates.size(); c++) {
      BitSet right = result.after().get(c);
      all.add(
          new Choice(
              candidates.get(c),
              GroupScore.of(groups, result.groups(), result.before(), right, times)));
    }
    return all;
  }

  /** Strengths that the best edit of a family and SAE or site is evaluated at besides 1. */
  static final double[] STRENGTHS = {0.5, 1.25, 1.5, 1.75, 2, 3};

  /**
   * The edits to evaluate next: of every family, and of every SAE or site, the one with the highest
   * goal, at other strengths. The loss that is allowed plays no part yet: a weaker edit may keep to
   * it.
   */
  static List<Candidate> strengths(List<Choice> all, Groups groups, SuppressionSettings.Goal goal) {
    Map<List<Object>, Choice> bests = new LinkedHashMap<>();
    for (Choice one : all) {
      Candidate candidate = one.candidate;
      List<Object> key = List.of(candidate.family(), candidate.sae(), candidate.site());
      bests.merge(
          key,
          one,
          (best, other) ->
              other.score.after(goal, groups) > best.score.after(goal, groups) ? other : best);
    }
    return bests.values().stream()
        .flatMap(best -> Arrays.stream(STRENGTHS).mapToObj(s -> best.candidate.times(s)))
        .toList();
  }

  /**
   * The smallest candidate of a family whose goal is within one standard error of the highest
   * (Breiman et al. 1984), among those within the allowed loss; of equal ones that with the higher
   * goal, then the earlier one. Null where none is better than no edit.
   */
  static @Nullable Choice best(
      List<Choice> all, Candidate.Family family, Groups groups, SuppressionSettings settings) {
    SuppressionSettings.Goal goal = settings.goal();
    ToDoubleFunction<Choice> reached = one -> one.score.after(goal, groups);
    List<Choice> better =
        all.stream()
            .filter(one -> one.candidate.family() == family && one.isWithin(settings.maxLoss()))
            .filter(one -> reached.applyAsDouble(one) > one.score.before(goal, groups))
            .sorted(Comparator.comparingDouble(reached).reversed())
            .toList();
    if (better.isEmpty()) return null;
    Choice highest = better.getFirst();
    double least =
        reached.applyAsDouble(highest) - highest.score.error(goal, groups, settings.seed());
    return better.stream()
        .filter(one -> reached.applyAsDouble(one) >= least)
        .min(Comparator.comparingInt(one -> one.candidate.size()))
        .orElse(highest);
  }

  /** Whether the loss is at most {@code maxLoss} points, up to rounding. */
  private boolean isWithin(double maxLoss) {
    return score.loss() <= maxLoss + 1e-9;
  }
}
