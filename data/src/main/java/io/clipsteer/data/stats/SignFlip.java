// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

/** Whether differences are 0 on average, each as likely to be turned round (Fisher 1935). */
public final class SignFlip {
  /** More would take 2^n steps too many. */
  public static final int MOST = 20;

  private SignFlip() {}

  /**
   * Two-sided and exact: the share of all 2^n choices of signs whose sum is at least as far from 0
   * as the sum given. With n differences it is never below 2^(1 − n).
   *
   * @param differences 1 to {@link #MOST}
   */
  public static double p(double... differences) {
    int n = differences.length;
    if (n < 1 || n > MOST) throw new IllegalArgumentException(n + " differences");
    double sum = 0;
    double size = 0;
    for (double difference : differences) {
      sum += difference;
      size += Math.abs(difference);
    }
    // Sums of the same numbers in another order differ in their last bits.
    double bound = Math.abs(sum) - 1e-12 * size;
    int far = 0;
    for (int signs = 0; signs < 1 << n; signs++) {
      double other = 0;
      for (int i = 0; i < n; i++) other += (signs >> i & 1) == 1 ? differences[i] : -differences[i];
      if (Math.abs(other) >= bound) far++;
    }
    return far / (double) (1 << n);
  }
}
