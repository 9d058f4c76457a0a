// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.steer.LastLayer;
import io.clipsteer.engine.steer.Sweep;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Scores units on one sweep: on all images at once, or on a few first and then on more for units
 * whose verdict against τ is not clear yet.
 *
 * @param sweep the images, in random order
 * @param units of which kind
 * @param shifts the units' lengths on the sweep's tokens
 * @param edited which of an image's tokens are edited
 * @param vocabulary which words mean the same
 * @param settings τ, whether a few images are evaluated first where the tower continues, and the
 *     bootstrap's seed
 * @param names of features, row in the vocabulary by number; features without one are absent
 */
record Measuring(
    Sweep sweep,
    SteeredUnits units,
    SteeredUnits.Shifts shifts,
    boolean[] edited,
    Similarity vocabulary,
    SteerabilitySettings settings,
    Map<Integer, Integer> names) {
  /** Samples of the bootstrap. */
  static final int DRAWS = 400;

  /** Images evaluated first. */
  private static final int FIRST = 8;

  /** Standard errors between S and τ at which a verdict is final. */
  private static final double SURE = 3;

  /** Scores units {@code from} to {@code to}. */
  SteerabilityFolder.Part run(int from, int to) {
    long start = System.nanoTime();
    UnitScore.ScoredUnit[] verdicts = new UnitScore.ScoredUnit[to - from];
    boolean screen = settings.screen() && !(sweep instanceof LastLayer);
    long evaluated = screen ? screened(from, verdicts) : whole(from, verdicts);
    List<UnitScore> scores = new ArrayList<>();
    double tau = settings.tau();
    ResampledUnits resampled = ResampledUnits.NONE;
    Raised raised = Raised.NONE;
    for (UnitScore.ScoredUnit one : verdicts) {
      scores.add(one.score());
      if (one.score().isAbove(tau)) raised = raised.plus(one.name());
      resampled = resampled.plus(ResampledUnits.of(one.unclipped(), one.deviations(), tau));
    }
    double seconds = (System.nanoTime() - start) * 1e-9;
    return new SteerabilityFolder.Part(scores, resampled, evaluated, raised, seconds);
  }

  /** Row of a unit's name; −1 without. */
  int name(int id) {
    return names.getOrDefault(id, -1);
  }

  private long whole(int first, UnitScore.ScoredUnit[] verdicts) {
    int images = sweep.images();
    int groups = Tally.groups(0, images);
    Resamples resamples = new Resamples(settings.seed(), Tally.sizes(images, groups), DRAWS);
    int[] all = IntStream.range(first, first + verdicts.length).toArray();
    evaluate(
        all,
        0,
        images,
        groups,
        (k, change) -> verdicts[k] = UnitScore.of(units.id(all[k]), change, resamples, this));
    return (long) verdicts.length * images;
  }

  private long screened(int first, UnitScore.ScoredUnit[] verdicts) {
    int images = sweep.images();
    Tally[] tallies = new Tally[verdicts.length];
    Arrays.setAll(tallies, k -> new Tally(vocabulary.words()));
    int[] open = IntStream.range(first, first + verdicts.length).toArray();
    Map<List<Integer>, Resamples> resamples = new HashMap<>();
    long evaluated = 0;
    int from = 0;
    while (open.length > 0) {
      int begin = from;
      int to = begin == 0 ? Math.min(FIRST, images) : Math.min(2 * begin, images);
      int[] some = open;
      evaluate(
          some,
          begin,
          to,
          Tally.groups(begin, to),
          (k, change) -> tallies[some[k] - first].add(change, begin, to));
      evaluated += (long) some.length * (to - begin);
      List<Integer> unsure = new ArrayList<>();
      for (int unit : some) {
        Tally tally = tallies[unit - first];
        int[] sizes = tally.sizes();
        Resamples samples =
            resamples.computeIfAbsent(
                Arrays.stream(sizes).boxed().toList(),
                s -> new Resamples(settings.seed(), sizes, DRAWS));
        var one = UnitScore.of(units.id(unit), tally.change(), samples, this);
        verdicts[unit - first] = one;
        boolean sure = Math.abs(one.unclipped() - settings.tau()) > SURE * one.error();
        if (to < images && !sure) unsure.add(unit);
      }
      open = unsure.stream().mapToInt(Integer::intValue).toArray();
      from = to;
    }
    return evaluated;
  }

  /** Edits units, rising, on images {@code from} to {@code to}. */
  private void evaluate(int[] some, int from, int to, int groups, Sweep.Sink sink) {
    int tokens = sweep.tokens();
    float[] lengths = shifts.lengths(some, from * tokens, to * tokens, edited);
    try (Scope scope = Scope.open()) {
      sweep.run(directions(some), lengths, from, to, groups, sink);
    }
  }

  private Tensor directions(int[] some) {
    int span = some[some.length - 1] - some[0] + 1;
    Tensor all = units.directions(some[0], span);
    if (span == some.length) return all;
    long[] rows = Arrays.stream(some).mapToLong(unit -> unit - some[0]).toArray();
    return all.indexSelect(0, Tensor.of(rows, rows.length));
  }
}
