// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** Differences of independent figures, their power, and jackknifed intervals. */
final class IndependentDifferenceTest {
  /** Newcombe 1998, table II (a), method 10: 56 of 70 against 48 of 80. */
  @Test
  void newcombesMethod10() {
    Share one = Share.of(56, 70);
    Share two = Share.of(48, 80);
    var difference =
        IndependentDifference.of(
            one.value(), one.low(), one.high(), two.value(), two.low(), two.high());
    assertEquals(0.2, difference.value(), 1e-12);
    assertEquals(0.0524, difference.low(), 5e-5);
    assertEquals(0.3339, difference.high(), 5e-5);
  }

  /** A test at 5 % finds 1.96 + 0.8416 errors with probability 0.8, and 0 with 0.05. */
  @Test
  void power() {
    var difference = new IndependentDifference(0, -1.959964, 1.959964);
    assertEquals(0.8, difference.power(1.959964 + 0.841621), 1e-4);
    assertEquals(0.05, difference.power(0), 1e-4);
    assertEquals(1, new IndependentDifference(1, 1, 1).power(0.1), 0);
    assertEquals(0, IndependentDifference.power(1, Double.NEGATIVE_INFINITY, 3), 0);
  }

  /** Of a mean with one number a group, the jackknife is Student's interval. */
  @Test
  void jackknifeOfAMean() {
    double[] values = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3};
    Mean mean = Mean.of(values);
    Jackknife jackknife = Jackknife.of(16, without -> meanWithout(values, without));
    assertEquals(mean.value(), jackknife.value(), 1e-12);
    assertEquals(mean.low(), jackknife.low(), 1e-9);
    assertEquals(mean.high(), jackknife.high(), 1e-9);
    Jackknife one = Jackknife.of(1, without -> without < 0 ? 2 : Double.NaN);
    assertEquals(Double.POSITIVE_INFINITY, one.high(), 0);
    assertEquals(2, one.value(), 0);
  }

  private static double meanWithout(double[] values, int without) {
    double sum = 0;
    int n = 0;
    for (int i = 0; i < values.length; i++) {
      if (i % Jackknife.GROUPS == without) continue;
      sum += values[i];
      n++;
    }
    return sum / n;
  }
}
