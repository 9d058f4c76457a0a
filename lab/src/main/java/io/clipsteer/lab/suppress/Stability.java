// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.lab.study.Groups;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Whether other validation images would have selected the same edit: the selection is repeated on
 * bootstrap samples of the images, drawn within groups.
 *
 * @param samples number of samples
 * @param sameSae samples that select an edit of the same SAE
 * @param sameEdit samples that select the same edit
 */
public record Stability(int samples, int sameSae, int sameEdit) {
  private static final int SAMPLES = 20;

  /**
   * Repeats a selection among edits of features.
   *
   * @param candidates that were evaluated
   * @param result their answers to validation images
   * @param chosen what was selected
   */
  static Stability of(
      List<Candidate> candidates,
      Groups groups,
      EditTrial.TrialResult result,
      SuppressionSettings settings,
      Candidate chosen) {
    var random = new SplittableRandom(settings.seed());
    int sameSae = 0;
    int sameEdit = 0;
    for (int sample = 0; sample < SAMPLES; sample++) {
      int[] times = sample(result.groups(), random);
      List<Choice> all = Choice.all(candidates, groups, result, times);
      @Nullable Choice best = Choice.best(all, Candidate.Family.FEATURES, groups, settings);
      if (best == null) continue;
      if (best.candidate().sae().equals(chosen.sae())) sameSae++;
      if (best.candidate() == chosen) sameEdit++;
    }
    return new Stability(SAMPLES, sameSae, sameEdit);
  }

  /** How often each image is drawn, when as many of each group are drawn as there are. */
  static int[] sample(List<Integer> group, SplittableRandom random) {
    Map<Integer, List<Integer>> members = new HashMap<>();
    for (int i = 0; i < group.size(); i++) {
      members.computeIfAbsent(group.get(i), g -> new ArrayList<>()).add(i);
    }
    int[] times = new int[group.size()];
    for (int g : group) {
      List<Integer> own = members.getOrDefault(g, List.of());
      times[own.get(random.nextInt(own.size()))]++;
    }
    return times;
  }
}
