// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import java.util.Arrays;

/**
 * What units have in common in the bootstrap's samples of images: all units share the samples, so
 * that their errors go together.
 *
 * @param above units whose unbiased S is above τ, by sample
 * @param shift sum over units of S's deviation, by sample
 * @param mixed Σ π(1 − π) over units, π the share of samples in which a unit is above τ: the part
 *     of the variance of {@code above} that units do not have in common
 */
record ResampledUnits(int[] above, double[] shift, double mixed) {
  static final ResampledUnits NONE =
      new ResampledUnits(new int[Measuring.DRAWS], new double[Measuring.DRAWS], 0);

  /** One unit: its unbiased S and its deviations. */
  static ResampledUnits of(double unbiased, double[] deviations, double tau) {
    int[] above = new int[deviations.length];
    for (int b = 0; b < above.length; b++) above[b] = unbiased + deviations[b] > tau ? 1 : 0;
    double share = (double) Arrays.stream(above).sum() / above.length;
    return new ResampledUnits(above, deviations.clone(), share * (1 - share));
  }

  /** These units and others. */
  ResampledUnits plus(ResampledUnits other) {
    int[] sums = new int[above.length];
    Arrays.setAll(sums, b -> above[b] + other.above[b]);
    double[] shifts = new double[shift.length];
    Arrays.setAll(shifts, b -> shift[b] + other.shift[b]);
    return new ResampledUnits(sums, shifts, mixed + other.mixed);
  }

  /**
   * Variance of the share of n units above τ that samples of images cause in all units together.
   * The bootstrap of g groups has (g − 1)/g of the variance.
   */
  double variance(int n, int groups) {
    if (groups < 2) return Double.POSITIVE_INFINITY;
    double mean = Arrays.stream(above).average().orElse(0);
    double squares = 0;
    for (int one : above) squares += (one - mean) * (one - mean);
    double common = (squares / (above.length - 1) - mixed) / ((double) n * n);
    return Math.max(0, common) * groups / (groups - 1.0);
  }
}
