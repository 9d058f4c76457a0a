// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

import java.util.Arrays;

/**
 * A median with its 95 % interval.
 *
 * @param value the median
 * @param low lower end of the interval
 * @param high upper end of the interval
 * @param n how many numbers
 */
public record Median(double value, double low, double high, int n) {
  /**
   * By order statistics: of n sorted numbers those with ranks n/2 ∓ z·√n/2, whatever their
   * distribution; of few numbers the smallest and the largest.
   *
   * @param values at least one
   */
  public static Median of(double... values) {
    int n = values.length;
    if (n == 0) throw new IllegalArgumentException("no numbers");
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    double middle = 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]);
    int rank = Math.max(1, (int) Math.floor((n - Mean.Z * Math.sqrt(n)) / 2));
    return new Median(middle, sorted[rank - 1], sorted[n - rank], n);
  }
}
