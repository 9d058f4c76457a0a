// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

/**
 * The difference of two independent figures with its 95 % interval, recovered from the intervals of
 * both (Zou and Donner 2008; of two shares with Wilson's intervals it is Newcombe's method 10,
 * 1998).
 *
 * @param value first figure minus second
 * @param low lower end of the interval
 * @param high upper end
 */
public record IndependentDifference(double value, double low, double high) {
  /**
   * Of a figure with an interval and another one.
   *
   * @param low of the first figure, at most {@code value}; infinite where it is not known
   * @param high of the first figure, at least {@code value}
   * @param otherLow of the second figure, at most {@code other}
   * @param otherHigh of the second figure, at least {@code other}
   */
  public static IndependentDifference of(
      double value, double low, double high, double other, double otherLow, double otherHigh) {
    double difference = value - other;
    return new IndependentDifference(
        difference,
        difference - Math.hypot(value - low, otherHigh - other),
        difference + Math.hypot(high - value, other - otherLow));
  }

  /**
   * Probability that an interval as wide as this one excludes 0 when the true difference is {@code
   * margin}: the power of a two-sided test at 5 % with the normal distribution.
   *
   * @param margin above 0
   */
  public double power(double margin) {
    return power(margin, low, high);
  }

  /** The same of any interval; 0 for one without ends. */
  public static double power(double margin, double low, double high) {
    double error = (high - low) / (2 * Mean.Z);
    if (Double.isNaN(error) || Double.isInfinite(error)) return 0;
    if (error <= 0) return 1;
    double shift = margin / error;
    return upper(Mean.Z - shift) + upper(Mean.Z + shift);
  }

  /** P(X ≥ z) of the standard normal distribution. */
  private static double upper(double z) {
    double half = MeanDifference.twoSided(Math.abs(z)) / 2;
    return z >= 0 ? half : 1 - half;
  }
}
