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
      List<Integer> group = result.groups().subList(0, result.seen().get(c));
      BitSet right = result.after().get(c);
      GroupScore score = GroupScore.of(groups, group, result.before(), right, times);
      all.add(new Choice(candidates.get(c), score));
    }
    return all;
  }

  /** Strengths that the best edit of a family and SAE or site is evaluated at besides 1. */
  static final double[] STRENGTHS = {0.5, 1.25, 1.5, 1.75, 2, 3};

  /**
   * The edits to evaluate next: of every family, and of every SAE or site, the one with the highest
   * goal among those that were evaluated on most images, at other strengths. The loss that is
   * allowed plays no part yet: a weaker edit may keep to it.
   */
  static List<Candidate> strengths(List<Choice> all, Groups groups, SuppressionSettings.Goal goal) {
    Comparator<Choice> higher =
        Comparator.comparingInt(Choice::images)
            .thenComparingDouble(one -> one.score.after(goal, groups));
    Map<List<Object>, Choice> bests = new LinkedHashMap<>();
    for (Choice one : all) {
      Candidate candidate = one.candidate;
      List<Object> key = List.of(candidate.family(), candidate.sae(), candidate.site());
      bests.merge(key, one, (best, other) -> higher.compare(other, best) > 0 ? other : best);
    }
    return bests.values().stream()
        .flatMap(best -> Arrays.stream(STRENGTHS).mapToObj(s -> best.candidate.times(s)))
        .toList();
  }

  /**
   * The smallest candidate of a family whose goal is within one standard error of the highest
   * (Breiman et al. 1984), among those within the allowed loss that were evaluated on most images;
   * of equal ones that with the higher goal, then the earlier one. Null where none is better than
   * no edit.
   */
  static @Nullable Choice best(
      List<Choice> all, Candidate.Family family, Groups groups, SuppressionSettings settings) {
    return near(all, family, groups, settings, settings.maxLoss(), 1).stream()
        .min(Comparator.comparingInt(one -> one.candidate.size()))
        .orElse(null);
  }

  /**
   * Candidates of a family whose goal is within one standard error of the highest, the highest
   * first, among those that are better than no edit and were evaluated on most images.
   *
   * @param maxLoss points of accuracy that they may cost
   * @param shrink factor of the standard error
   */
  static List<Choice> near(
      List<Choice> all,
      Candidate.Family family,
      Groups groups,
      SuppressionSettings settings,
      double maxLoss,
      double shrink) {
    SuppressionSettings.Goal goal = settings.goal();
    ToDoubleFunction<Choice> reached = one -> one.score.after(goal, groups);
    List<Choice> own = all.stream().filter(one -> one.candidate.family() == family).toList();
    int most = own.stream().mapToInt(Choice::images).max().orElse(0);
    List<Choice> better =
        own.stream()
            .filter(one -> one.images() == most && one.isWithin(maxLoss))
            .filter(one -> reached.applyAsDouble(one) > one.score.before(goal, groups))
            .sorted(Comparator.comparingDouble(reached).reversed())
            .toList();
    if (better.isEmpty()) return List.of();
    Choice highest = better.getFirst();
    double error = shrink * highest.score.error(goal, groups, settings.seed());
    double least = reached.applyAsDouble(highest) - error;
    return better.stream().filter(one -> reached.applyAsDouble(one) >= least).toList();
  }

  /** Images of the groups that it was evaluated on. */
  int images() {
    return score.overall().n();
  }

  /** Whether the loss is at most {@code maxLoss} points, up to rounding. */
  private boolean isWithin(double maxLoss) {
    return score.loss() <= maxLoss + 1e-9;
  }
}
