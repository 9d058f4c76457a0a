// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.lab.study.Groups;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A candidate with its score on validation images.
 *
 * @param score on validation images
 */
public record Choice(Candidate candidate, GroupScore score) {
  /** All candidates with their scores. */
  static List<Choice> all(List<Candidate> candidates, Groups groups, EditTrial.TrialResult result) {
    List<Choice> all = new ArrayList<>();
    for (int c = 0; c < candidates.size(); c++) {
      all.add(new Choice(candidates.get(c), result.score(groups, result.after().get(c))));
    }
    return all;
  }

  /** Strengths that the best edit of a family and SAE or site is evaluated at besides 1. */
  private static final double[] STRENGTHS = {0.5, 1.5, 2};

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
          (best, other) -> {
            double gain = other.score.after(goal, groups) - best.score.after(goal, groups);
            return gain > 0 ? other : best;
          });
    }
    return bests.values().stream()
        .flatMap(best -> Arrays.stream(STRENGTHS).mapToObj(s -> best.candidate.times(s)))
        .toList();
  }

  /**
   * The candidate of a family with the highest goal among those within the allowed loss; of equal
   * ones the smaller, then the earlier one. Null where none is better than no edit.
   */
  static @Nullable Choice best(
      List<Choice> all, Candidate.Family family, Groups groups, SuppressionSettings settings) {
    Choice best = null;
    for (Choice one : all) {
      if (one.candidate.family() != family || !one.isWithin(settings.maxLoss())) continue;
      double reached = one.score.after(settings.goal(), groups);
      if (reached <= one.score.before(settings.goal(), groups)) continue;
      double gain = best == null ? 1 : reached - best.score.after(settings.goal(), groups);
      boolean smaller = best != null && one.candidate.size() < best.candidate.size();
      if (gain > 0 || gain == 0 && smaller) best = one;
    }
    return best;
  }

  /** Whether the loss is at most {@code maxLoss} points, up to rounding. */
  private boolean isWithin(double maxLoss) {
    return score.loss() <= maxLoss + 1e-9;
  }
}
