// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.lab.study.Groups;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Selection in rounds: all edits are evaluated on a few validation images, and those that could
 * still be selected on more. The selection by {@link Choice#best} is repeated on {@value #SAMPLES}
 * bootstrap samples of the images so far, drawn within groups. An edit is dropped where none of the
 * samples brings it within one standard error of the highest goal of its family, and a family keeps
 * no more edits than a round has, those that most samples bring there.
 */
final class Screening {
  private static final int SAMPLES = 200;

  /** Of each group; with fewer nothing is dropped. */
  private static final int LEAST_IMAGES = 20;

  /** The rounds: further images each time. */
  static final List<ScreeningRound> ROUNDS =
      List.of(
          new ScreeningRound(new ImageShare(0, 0.1), 12),
          new ScreeningRound(new ImageShare(0.1, 0.3), 6),
          new ScreeningRound(new ImageShare(0.3, 1), Integer.MAX_VALUE));

  private Screening() {}

  /**
   * A part of the images: blocks spread over a set, the same ones for every selection.
   *
   * @param from share of the blocks that come before
   * @param to the same with these
   */
  record ImageShare(double from, double to) {
    /** All images. */
    static final ImageShare WHOLE = new ImageShare(0, 1);

    /** Numbers of its blocks, of so many. */
    int[] blocks(int count) {
      return IntStream.range(0, count)
          .boxed()
          // Reversed bits: the first few numbers lie far apart.
          .sorted((a, b) -> Integer.compareUnsigned(Integer.reverse(a), Integer.reverse(b)))
          .skip((long) Math.ceil(from * count))
          .limit((long) Math.ceil(to * count) - (long) Math.ceil(from * count))
          .mapToInt(Integer::intValue)
          .sorted()
          .toArray();
    }
  }

  /**
   * A round.
   *
   * @param most edits of a family that it keeps
   */
  record ScreeningRound(ImageShare images, int most) {}

  /**
   * Which edits may still be selected.
   *
   * @param all that are selected from, with their answers to the images so far
   * @param from first of those that may be dropped; the ones before are known already
   * @param images of each group when all are evaluated
   * @param most edits of a family to keep
   * @return numbers from 0 for {@code from}
   */
  static BitSet open(
      Validated all,
      int from,
      Groups groups,
      int[] images,
      SuppressionSettings settings,
      int most) {
    int count = all.candidates.size() - from;
    EditTrial.TrialResult result = all.result;
    int[] seen = new int[images.length];
    for (int g : result.groups()) if (g != Groups.CLEAN) seen[g]++;
    BitSet open = new BitSet();
    if (IntStream.range(0, seen.length).anyMatch(g -> images[g] > 0 && seen[g] < LEAST_IMAGES)) {
      open.set(0, count);
      return open;
    }
    // With all images the highest goal's standard error will be smaller.
    double shrink = Math.sqrt((double) IntStream.of(seen).sum() / IntStream.of(images).sum());
    int[] hits = new int[all.candidates.size()];
    var random = new SplittableRandom(settings.seed());
    for (int sample = 0; sample < SAMPLES; sample++) {
      int[] times = Stability.sample(result.groups(), random);
      List<Choice> choices = Choice.all(all.candidates, groups, result, times);
      for (Candidate.Family family : Candidate.Family.values()) {
        Set<Choice> near = Collections.newSetFromMap(new IdentityHashMap<>());
        // At other strengths an edit that costs too much may not: its size has to be found.
        double[] losses =
            from == 0 ? new double[] {settings.maxLoss(), 100} : new double[] {settings.maxLoss()};
        for (double loss : losses) {
          near.addAll(Choice.near(choices, family, groups, settings, loss, shrink));
        }
        for (int c = 0; c < hits.length; c++) if (near.contains(choices.get(c))) hits[c]++;
      }
    }
    List<Choice> choices = Choice.all(all.candidates, groups, result);
    for (Candidate.Family family : Candidate.Family.values()) {
      IntStream.range(0, count)
          .filter(c -> choices.get(from + c).candidate().family() == family)
          .filter(c -> hits[from + c] > 0)
          .boxed()
          .sorted(
              Comparator.<Integer>comparingInt(c -> -hits[from + c])
                  .thenComparingInt(c -> all.candidates.get(from + c).size())
                  .thenComparingDouble(
                      c -> -choices.get(from + c).score().after(settings.goal(), groups)))
          .limit(most)
          .forEach(open::set);
    }
    return open;
  }

  /** Edits that were evaluated on validation images. */
  record Validated(List<Candidate> candidates, EditTrial.TrialResult result) {
    /** With further edits. */
    Validated and(List<Candidate> more, EditTrial.TrialResult answers) {
      List<Candidate> all = new ArrayList<>(candidates);
      all.addAll(more);
      return new Validated(List.copyOf(all), result.and(answers));
    }
  }
}
