// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.stats.Share;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Steerability of the units of one kind at one place.
 *
 * @param hookPoint where, in peers' style
 * @param layer its block
 * @param sae the SAE's folder for features, else empty
 * @param unit kind
 * @param n number of units
 * @param images images asked
 * @param meanS mean S
 * @param meanUnbiased mean of the unbiased form
 * @param meanSemantic mean of the semantic form
 * @param share of units with S above τ, with the outer ends of two intervals: Wilson's, for units
 *     that stand for more of their kind, and the bootstrap's over images
 * @param coverage distinct words that are promoted most by some steerable unit
 * @param curve the same at other τ
 * @param asked (unit, image) pairs that were computed
 * @param seconds for these units
 * @param scores of every unit
 * @param doses of the most steerable features, if asked for
 * @param raised of steerable features, whose names rise
 */
public record LayerResult(
    String hookPoint,
    int layer,
    String sae,
    SteeredUnits.Kind unit,
    int n,
    int images,
    double meanS,
    double meanUnbiased,
    double meanSemantic,
    Share share,
    int coverage,
    List<At> curve,
    long asked,
    double seconds,
    List<UnitScore> scores,
    List<Dose> doses,
    Raised raised) {
  private static final double[] TAUS = {0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9};

  /**
   * A point of the curve.
   *
   * @param tau the bar
   * @param meanSemantic mean of the semantic form
   * @param share of units above it
   * @param coverage distinct words of these
   */
  public record At(double tau, double share, int coverage) {}

  /** Sums up scores. */
  static LayerResult of(
      String hookPoint,
      int layer,
      String sae,
      SteeredUnits.Kind unit,
      int images,
      int[] above,
      double tau,
      long asked,
      double seconds,
      List<UnitScore> scores,
      List<Dose> doses,
      Raised raised) {
    int n = scores.size();
    double s = 0;
    double unbiased = 0;
    double semantic = 0;
    for (UnitScore score : scores) {
      s += score.s();
      unbiased += score.unbiased();
      semantic += score.semantic();
    }
    List<At> curve = new ArrayList<>();
    for (double t : TAUS) {
      curve.add(new At(t, (double) steerable(scores, t) / n, coverage(scores, t)));
    }
    return new LayerResult(
        hookPoint,
        layer,
        sae,
        unit,
        n,
        images,
        s / n,
        unbiased / n,
        semantic / n,
        share(steerable(scores, tau), n, above),
        coverage(scores, tau),
        List.copyOf(curve),
        asked,
        seconds,
        List.copyOf(scores),
        List.copyOf(doses),
        raised);
  }

  private static Share share(int hits, int n, int[] above) {
    Share wilson = Share.of(hits, n);
    int[] sorted = above.clone();
    Arrays.sort(sorted);
    int tail = (int) (0.025 * sorted.length);
    double low = (double) sorted[tail] / n;
    double high = (double) sorted[sorted.length - 1 - tail] / n;
    return new Share(wilson.value(), Math.min(wilson.low(), low), Math.max(wilson.high(), high), n);
  }

  private static int steerable(List<UnitScore> scores, double tau) {
    return (int) scores.stream().filter(score -> score.s() > tau).count();
  }

  private static int coverage(List<UnitScore> scores, double tau) {
    return (int)
        scores.stream()
            .filter(score -> score.s() > tau && score.top() >= 0)
            .mapToInt(UnitScore::top)
            .distinct()
            .count();
  }
}
