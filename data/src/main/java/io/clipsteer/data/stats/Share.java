// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

/**
 * A share of counted things with its 95 % interval.
 *
 * @param value hits / n
 * @param low lower end of the interval
 * @param high upper end of the interval
 * @param n how many were counted
 */
public record Share(double value, double low, double high, int n) {
  /**
   * By Wilson's score interval: (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n) (Wilson 1927;
   * Brown, Cai and DasGupta 2001 recommend it).
   *
   * @param hits 0 to n
   * @param n at least 1
   */
  public static Share of(int hits, int n) {
    if (n < 1 || hits < 0 || hits > n) {
      throw new IllegalArgumentException(hits + " of " + n);
    }
    double p = (double) hits / n;
    double z2 = Mean.Z * Mean.Z;
    double middle = p + z2 / (2 * n);
    double half = Mean.Z * Math.sqrt(p * (1 - p) / n + z2 / (4.0 * n * n));
    double scale = 1 + z2 / n;
    // At the ends the formula gives 0 and 1 but for rounding.
    double low = hits == 0 ? 0 : (middle - half) / scale;
    double high = hits == n ? 1 : (middle + half) / scale;
    return new Share(p, low, high, n);
  }
}
