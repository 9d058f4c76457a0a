// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

/**
 * A difference of two means with its 95 % interval and test, from two sources of variance.
 *
 * @param low lower end of the interval
 * @param high upper end
 * @param p two-sided p-value of no difference
 */
public record MeanDifference(double low, double high, double p) {
  /** Chebyshev coefficients of ln(erfc(x)/t) + x² in t = 1/(1 + x/2), the highest power first. */
  private static final double[] ERFC = {
    0.17087277,
    -0.82215223,
    1.48851587,
    -1.13520398,
    0.27886807,
    -0.18628806,
    0.09678418,
    0.37409196,
    1.00002368,
    -1.26551223
  };

  /**
   * Half the interval is {@code √(z²·own + t²·common)}, t Student's for the common part; p is the
   * normal distribution's at the same number of half intervals.
   *
   * @param own variance from the things that are averaged
   * @param common variance from the measurements that they share
   * @param groups of measurements that it was estimated from, at least 2
   */
  public static MeanDifference of(double difference, double own, double common, int groups) {
    double student = Mean.student(groups - 1);
    double half = Math.sqrt(Mean.Z * Mean.Z * own + student * student * common);
    double z = half > 0 ? Math.abs(difference) / half * Mean.Z : 0;
    return new MeanDifference(difference - half, difference + half, twoSided(z));
  }

  /**
   * P(|X| ≥ z) of the standard normal distribution, within 1.2e-7 of itself (erfcc, Press et al.
   * 1992).
   */
  static double twoSided(double z) {
    double x = z / Math.sqrt(2);
    double t = 1 / (1 + 0.5 * x);
    double sum = 0;
    for (double c : ERFC) sum = sum * t + c;
    return Math.min(1, t * Math.exp(-x * x + sum));
  }
}
