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
    return wilson(hits, n, n);
  }

  /**
   * Of things that were all judged from the same few measurements, whose errors they have in
   * common: Wilson's interval with the number n' of independent things that would vary as much,
   * {@code p(1−p)/n' = p(1−p)/n + (t/z)²·variance} (the effective sample size, Kish 1965). p is
   * taken to be at least half a thing from either end.
   *
   * @param variance of the share, from the measurements alone; infinite where it is not known
   * @param groups of measurements that the variance was estimated from; t is Student's for them
   */
  public static Share of(int hits, int n, double variance, int groups) {
    Share plain = of(hits, n);
    if (!Double.isFinite(variance)) return new Share(plain.value, 0, 1, n);
    double p = Math.clamp(plain.value, 0.5 / n, 1 - 0.5 / n);
    double wider = Mean.student(groups - 1) / Mean.Z;
    double own = p * (1 - p);
    return wilson(hits, n, own / (own / n + wider * wider * variance));
  }

  private static Share wilson(int hits, int n, double effective) {
    double p = (double) hits / n;
    double z2 = Mean.Z * Mean.Z;
    double middle = p + z2 / (2 * effective);
    double half = Mean.Z * Math.sqrt(p * (1 - p) / effective + z2 / (4.0 * effective * effective));
    double scale = 1 + z2 / effective;
    // At the ends the formula gives 0 and 1 but for rounding.
    double low = hits == 0 ? 0 : (middle - half) / scale;
    double high = hits == n ? 1 : (middle + half) / scale;
    return new Share(p, low, high, n);
  }
}
