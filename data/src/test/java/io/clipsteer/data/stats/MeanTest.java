// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Means, medians and ranks against tables and hand-made values. */
final class MeanTest {
  /** The 97.5 % points of Student's t as every table has them. */
  @Test
  void studentsTable() {
    int[] degrees = {1, 2, 3, 4, 5, 7, 10, 15, 30, 100, 1000};
    double[] points = {
      12.706, 4.303, 3.182, 2.776, 2.571, 2.365, 2.228, 2.131, 2.042, 1.984, 1.962
    };
    for (int k = 0; k < degrees.length; k++) {
      assertEquals(points[k], Mean.student(degrees[k]), 0.001 * points[k], degrees[k] + " degrees");
    }
  }

  @Test
  void ofFourNumbers() {
    Mean mean = Mean.of(1, 2, 3, 4);
    assertEquals(2.5, mean.value(), 1e-12);
    // s = √(5/3), s/√4 = 0.645497, t = 3.182446
    assertEquals(2.5 - 2.054263, mean.low(), 0.005);
    assertEquals(2.5 + 2.054263, mean.high(), 0.005);
    assertTrue(Double.isInfinite(Mean.of(3).high()));
    assertThrows(IllegalArgumentException.class, Mean::of);
  }

  @Test
  void medians() {
    double[] hundred = IntStream.rangeClosed(1, 100).mapToDouble(i -> 101 - i).toArray();
    // Ranks 50 ∓ 9.8: the 40th and the 61st.
    assertEquals(new Median(50.5, 40, 61, 100), Median.of(hundred));
    assertEquals(new Median(2, 1, 9, 3), Median.of(9, 1, 2));
    assertEquals(new Median(7, 7, 7, 1), Median.of(7));
  }

  @Test
  void ranks() {
    // IQ against hours of television, an example in wide use: ρ = −29/165.
    double[] a = {106, 100, 86, 101, 99, 103, 97, 113, 112, 110};
    double[] b = {7, 27, 2, 50, 28, 29, 20, 12, 6, 17};
    assertEquals(-29.0 / 165, Correlation.spearman(a, b).value(), 1e-12);
    // Ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4: 4.5/√(4.5·5).
    double[] tied = {1, 2, 2, 3};
    assertEquals(
        4.5 / Math.sqrt(22.5),
        Correlation.spearman(tied, new double[] {1, 3, 2, 4}).value(),
        1e-12);
    assertEquals(1, Correlation.spearman(a, a).low());
    // By hand: deviations (-2, 0, 2) and (-1, -1, 2).
    double[] x = {1, 3, 5};
    assertEquals(6 / Math.sqrt(8 * 6), Correlation.pearson(x, new double[] {0, 0, 3}), 1e-12);
    assertEquals(0, Correlation.pearson(x, new double[] {7, 7, 7}));
    assertEquals(0, Correlation.spearman(tied, new double[4]).value());
  }
}
