// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.lab.study.Groups;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Choosing among candidates by what they do on validation images.
 *
 * @param score on validation images
 */
public record Choice(Candidate candidate, GroupScore score) {
  /** All candidates with their scores. */
  static List<Choice> all(List<Candidate> candidates, Groups groups, EditTrial.Result result) {
    List<Choice> all = new ArrayList<>();
    for (int c = 0; c < candidates.size(); c++) {
      GroupScore score =
          GroupScore.of(groups, result.groups(), result.before(), result.after().get(c));
      all.add(new Choice(candidates.get(c), score));
    }
    return all;
  }

  /**
   * The one that reaches most of the settings' goal and costs no more than is allowed; of equal
   * ones the one that changes less, then the earlier one. Null where none is better than doing
   * nothing.
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

  /** Whether it costs no more than is allowed; rounding aside. */
  boolean isWithin(double maxLoss) {
    return score.loss() <= maxLoss + 1e-9;
  }
}
