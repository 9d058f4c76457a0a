// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

/**
 * A mean with its 95 % interval.
 *
 * @param value the mean
 * @param low lower end of the interval
 * @param high upper end of the interval
 * @param n how many numbers
 */
public record Mean(double value, double low, double high, int n) {
  /** The normal distribution's 97.5 % point. */
  static final double Z = 1.959963984540054;

  /** Student's for one to three degrees of freedom, where the series below is too coarse. */
  private static final double[] FEW = {12.706204736432, 4.302652729696, 3.182446305284};

  /**
   * By Student's t; a single number has an infinite interval.
   *
   * @param values at least one
   */
  public static Mean of(double... values) {
    int n = values.length;
    if (n == 0) throw new IllegalArgumentException("no numbers");
    double mean = 0;
    for (double one : values) mean += one / n;
    if (n == 1) return new Mean(mean, Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY, 1);
    double squares = 0;
    for (double one : values) squares += (one - mean) * (one - mean);
    double half = student(n - 1) * Math.sqrt(squares / (n - 1) / n);
    return new Mean(mean, mean - half, mean + half, n);
  }

  /** Student's 97.5 % point, within 0.1 %: Abramowitz and Stegun 26.7.5. */
  static double student(int degrees) {
    if (degrees <= FEW.length) return FEW[degrees - 1];
    double z2 = Z * Z;
    double v = degrees;
    return Z
        * (1
            + (z2 + 1) / (4 * v)
            + ((5 * z2 + 16) * z2 + 3) / (96 * v * v)
            + (((3 * z2 + 19) * z2 + 17) * z2 - 15) / (384 * v * v * v)
            + ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / (92160 * v * v * v * v));
  }
}
