// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

import java.util.function.IntToDoubleFunction;

/**
 * Any smooth function of sums over images, with its 95 % interval by the delete-one-group jackknife
 * (Tukey 1958; Efron and Stein 1981).
 *
 * @param value from all images
 * @param low lower end of the interval
 * @param high upper end of the interval
 * @param n images
 */
public record Jackknife(double value, double low, double high, int n) {
  /** Groups that images are assigned to in turn. */
  public static final int GROUPS = 16;

  /**
   * With Student's t for one degree of freedom less than there are groups.
   *
   * @param n images, of which the ith is in group {@code i mod GROUPS}
   * @param without the function of all images but those of a group; of all for −1
   */
  public static Jackknife of(int n, IntToDoubleFunction without) {
    double value = without.applyAsDouble(-1);
    int groups = Math.min(n, GROUPS);
    if (groups < 2) return unknown(value, n);
    double[] parts = new double[groups];
    double mean = 0;
    for (int g = 0; g < groups; g++) {
      parts[g] = without.applyAsDouble(g);
      mean += parts[g] / groups;
    }
    double squares = 0;
    for (double part : parts) squares += (part - mean) * (part - mean);
    double half = Mean.student(groups - 1) * Math.sqrt(squares * (groups - 1) / groups);
    return Double.isFinite(half)
        ? new Jackknife(value, value - half, value + half, n)
        : unknown(value, n);
  }

  private static Jackknife unknown(double value, int n) {
    return new Jackknife(value, Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY, n);
  }
}
