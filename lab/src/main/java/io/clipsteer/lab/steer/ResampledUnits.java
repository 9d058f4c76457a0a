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
 * @param sum of the units' unbiased S, which may be below 0
 * @param squares of these
 */
record ResampledUnits(int[] above, double[] shift, double mixed, double sum, double squares) {
  static final ResampledUnits NONE =
      new ResampledUnits(new int[Measuring.DRAWS], new double[Measuring.DRAWS], 0, 0, 0);

  /** One unit: its unbiased S and its deviations. */
  static ResampledUnits of(double unbiased, double[] deviations, double tau) {
    int[] above = new int[deviations.length];
    for (int b = 0; b < above.length; b++) above[b] = unbiased + deviations[b] > tau ? 1 : 0;
    double share = (double) Arrays.stream(above).sum() / above.length;
    return new ResampledUnits(
        above, deviations.clone(), share * (1 - share), unbiased, unbiased * unbiased);
  }

  /** These units and others. */
  ResampledUnits plus(ResampledUnits other) {
    int[] sums = new int[above.length];
    Arrays.setAll(sums, b -> above[b] + other.above[b]);
    double[] shifts = new double[shift.length];
    Arrays.setAll(shifts, b -> shift[b] + other.shift[b]);
    return new ResampledUnits(
        sums, shifts, mixed + other.mixed, sum + other.sum, squares + other.squares);
  }

  /**
   * Variance of the share of n units above τ that samples of images cause in all units together.
   * The bootstrap of g groups has (g − 1)/g of the variance.
   */
  double variance(int n, int groups) {
    if (groups < 2) return Double.POSITIVE_INFINITY;
    double[] counts = Arrays.stream(above).asDoubleStream().toArray();
    double common = (variance(counts) - mixed) / ((double) n * n);
    return Math.max(0, common) * groups / (groups - 1.0);
  }

  /** Variance of the mean of the unbiased S of n units that are a sample of more. */
  double variance(int n) {
    if (n < 2) return 0;
    double mean = sum / n;
    return Math.max(0, squares / n - mean * mean) / (n - 1);
  }

  static double variance(double[] values) {
    double mean = Arrays.stream(values).average().orElse(0);
    return Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum() / (values.length - 1);
  }
}
