// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;

/** Intervals of areas and correlations. */
final class AurocTest {
  @Test
  void endsSolveTheEquation() {
    for (double a : new double[] {0.1, 0.5, 0.8, 0.97}) {
      Auroc auroc = Auroc.of(a, 20, 70);
      for (double end : new double[] {auroc.low(), auroc.high()}) {
        double q1 = end / (2 - end);
        double q2 = 2 * end * end / (1 + end);
        // Hanley and McNeil's variance with both groups of the mean size, as method 5 has it.
        double star = (20 + 70) / 2.0 - 1;
        double variance =
            (end * (1 - end) + star * (q1 - end * end) + star * (q2 - end * end)) / (20.0 * 70);
        assertEquals(1.959963984540054 * Math.sqrt(variance), Math.abs(a - end), 1e-8);
      }
      assertTrue(auroc.low() < a && a < auroc.high());
    }
  }

  @Test
  void anAreaOfOneHasAnInterval() {
    Auroc sure = Auroc.of(1, 10, 10);
    assertEquals(1, sure.high());
    assertTrue(sure.low() > 0.6 && sure.low() < 0.9, sure.toString());
    assertEquals(1 - sure.low(), Auroc.of(0, 10, 10).high(), 1e-9);
    assertThrows(IllegalArgumentException.class, () -> Auroc.of(0.5, 0, 3));
    assertThrows(IllegalArgumentException.class, () -> Auroc.of(Double.NaN, 3, 3));
  }

  @Test
  void theIntervalCoversTheTruth() {
    Random random = new Random(3);
    double truth = 0.8555778168267576; // Φ(1.5/√2)
    int covered = 0;
    int runs = 600;
    for (int r = 0; r < runs; r++) {
      double[] p = random.doubles(25).map(x -> 1.5 + random.nextGaussian()).toArray();
      double[] n = random.doubles(60).map(x -> random.nextGaussian()).toArray();
      double above = 0;
      for (double a : p) for (double b : n) above += a > b ? 1 : a == b ? 0.5 : 0;
      Auroc auroc = Auroc.of(above / (p.length * n.length), p.length, n.length);
      if (auroc.low() <= truth && truth <= auroc.high()) covered++;
    }
    assertTrue(covered > 0.92 * runs && covered < 0.99 * runs, covered + " of " + runs);
  }

  @Test
  void correlationsMatchTheTextbook() {
    double[] scores = {3, 1, 4, 1, 5, 9, 2, 6};
    boolean[] in = {true, false, true, false, false, true, false, true};
    double sum = 0;
    double squares = 0;
    double positive = 0;
    for (int i = 0; i < scores.length; i++) {
      sum += scores[i];
      squares += scores[i] * scores[i];
      if (in[i]) positive += scores[i];
    }
    double mean = sum / 8;
    double sxy = 0;
    double sxx = 0;
    double syy = 0;
    for (int i = 0; i < scores.length; i++) {
      double x = scores[i] - mean;
      double y = (in[i] ? 1 : 0) - 0.5;
      sxy += x * y;
      sxx += x * x;
      syy += y * y;
    }
    Correlation r = Correlation.pointBiserial(4, 8, positive, sum, squares);
    assertEquals(sxy / Math.sqrt(sxx * syy), r.value(), 1e-12);
    // r 0.5 of 28: artanh 0.5493 ± 1.96/5.
    Correlation half = Correlation.of(0.5, 28);
    assertEquals(0.15603, half.low(), 1e-5);
    assertEquals(0.73582, half.high(), 1e-5);
    assertEquals(0, Correlation.pointBiserial(2, 8, 0, 0, 0).value());
    assertEquals(-1, Correlation.of(0.3, 3).low());
  }
}
