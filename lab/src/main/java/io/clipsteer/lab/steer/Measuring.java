// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.steer.Sweep;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Scores units on one sweep: all images at once, or first few and then more where the verdict
 * against τ is not yet clear.
 *
 * @param sweep the images, in random order
 * @param units of which kind
 * @param shifts the units' lengths on the sweep's tokens
 * @param moved which of an image's tokens are edited
 * @param vocabulary which words mean the same
 * @param plan how sure it must be
 * @param names of features, row in the vocabulary by number; features without one are not there
 */
record Measuring(
    Sweep sweep,
    SteeredUnits units,
    SteeredUnits.Shifts shifts,
    boolean[] moved,
    Similarity vocabulary,
    Plan plan,
    Map<Integer, Integer> names) {
  /**
   * How sure a verdict must be.
   *
   * @param tau a unit with S above it is steerable
   * @param screen whether few images are asked first
   * @param seed of the bootstrap
   */
  record Plan(double tau, boolean screen, long seed) {
    /** Images asked first. */
    static final int FIRST = 8;

    /** Standard errors that S must lie from τ before a unit is left. */
    static final double SURE = 3;

    /** The bootstrap's draws. */
    static final int DRAWS = 400;
  }

  /**
   * What came out for a run of units.
   *
   * @param scores by unit
   * @param above in each of the bootstrap's draws, how many units are above τ
   * @param asked (unit, image) pairs
   * @param raised of steerable features, whose names rise
   */
  record Part(List<UnitScore> scores, int[] above, long asked, Raised raised) {}

  /** Scores units {@code from} to {@code to}. */
  Part run(int from, int to) {
    UnitScore.Drawn[] drawn = new UnitScore.Drawn[to - from];
    long asked = plan.screen() ? screened(from, drawn) : whole(from, drawn);
    List<UnitScore> scores = new ArrayList<>();
    int[] above = new int[Plan.DRAWS];
    Raised raised = Raised.NONE;
    for (UnitScore.Drawn one : drawn) {
      scores.add(one.score());
      if (one.score().s() > plan.tau()) raised = raised.plus(one.name());
      for (int b = 0; b < above.length; b++) if (one.above()[b]) above[b]++;
    }
    return new Part(scores, above, asked, raised);
  }

  private long whole(int first, UnitScore.Drawn[] drawn) {
    int images = sweep.images();
    int groups = Tally.groups(0, images);
    int[] sizes = Tally.sizes(images, groups);
    Resamples resamples = new Resamples(plan.seed(), sizes, Plan.DRAWS);
    int[] all = new int[drawn.length];
    for (int k = 0; k < all.length; k++) all[k] = k;
    ask(
        first,
        all,
        0,
        images,
        groups,
        (k, change) ->
            drawn[k] =
                UnitScore.of(
                    units.id(first + k),
                    change,
                    sizes,
                    images,
                    plan.tau(),
                    resamples,
                    vocabulary,
                    name(first + k)));
    return (long) drawn.length * images;
  }

  private long screened(int first, UnitScore.Drawn[] drawn) {
    int images = sweep.images();
    Tally[] tallies = new Tally[drawn.length];
    List<Integer> open = new ArrayList<>();
    for (int k = 0; k < drawn.length; k++) {
      tallies[k] = new Tally(vocabulary.words());
      open.add(k);
    }
    Map<List<Integer>, Resamples> resamples = new HashMap<>();
    long asked = 0;
    int from = 0;
    while (!open.isEmpty()) {
      int begin = from;
      int to = begin == 0 ? Math.min(Plan.FIRST, images) : Math.min(2 * begin, images);
      int[] some = open.stream().mapToInt(Integer::intValue).toArray();
      int groups = Tally.groups(begin, to);
      ask(first, some, begin, to, groups, (k, change) -> tallies[some[k]].add(change, begin, to));
      asked += (long) some.length * (to - begin);
      List<Integer> unsure = new ArrayList<>();
      for (int k : some) {
        int[] sizes = tallies[k].sizes();
        var draws =
            resamples.computeIfAbsent(
                java.util.Arrays.stream(sizes).boxed().toList(),
                s -> new Resamples(plan.seed(), sizes, Plan.DRAWS));
        var one =
            UnitScore.of(
                units.id(first + k),
                tallies[k].change(),
                sizes,
                images,
                plan.tau(),
                draws,
                vocabulary,
                name(first + k));
        drawn[k] = one;
        boolean sure = Math.abs(one.score().s() - plan.tau()) > Plan.SURE * one.error();
        if (to < images && !sure) unsure.add(k);
      }
      open = unsure;
      from = to;
    }
    return asked;
  }

  private int name(int unit) {
    return names.getOrDefault(units.id(unit), -1);
  }

  /** Edits units {@code first + some[k]} on images from … to. */
  private void ask(int first, int[] some, int from, int to, int groups, Sweep.Sink sink) {
    int tokens = sweep.tokens();
    int each = (to - from) * tokens;
    float[] lengths = new float[Math.multiplyExact(some.length, each)];
    for (int k = 0; k < some.length; k++) {
      shifts.fill(first + some[k], from * tokens, to * tokens, lengths, k * each);
      for (int row = 0; row < each; row++) {
        if (!moved[row % tokens]) lengths[k * each + row] = 0;
      }
    }
    try (Scope scope = Scope.open()) {
      sweep.run(directions(first, some), lengths, from, to, groups, sink);
    }
  }

  private Tensor directions(int first, int[] some) {
    int span = some[some.length - 1] - some[0] + 1;
    Tensor all = units.directions(first + some[0], span);
    if (span == some.length) return all;
    long[] rows = new long[some.length];
    for (int k = 0; k < rows.length; k++) rows[k] = some[k] - some[0];
    return all.indexSelect(0, Tensor.of(rows, rows.length));
  }
}
