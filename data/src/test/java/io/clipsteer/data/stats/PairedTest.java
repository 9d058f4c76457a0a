// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigInteger;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Paired answers, against binomials by hand and simulations. */
final class PairedTest {
  @Test
  void mcNemarIsTheBinomialByHand() {
    // 10 changed answers, 1 lost: 2·(1 + 10)/1024.
    assertEquals(22 / 1024.0, McNemar.of(9, 1).p(), 1e-15);
    assertEquals(22 / 1024.0, McNemar.of(1, 9).p(), 1e-15);
    // 6 changed, none lost: 2/64.
    assertEquals(2 / 64.0, McNemar.of(6, 0).p(), 1e-15);
    assertEquals(1, McNemar.of(5, 5).p());
    assertEquals(1, McNemar.of(0, 0).p());
    assertEquals(exact(700, 820), McNemar.of(820, 700).p(), 1e-11);
    assertEquals(exact(3, 240), McNemar.of(240, 3).p(), 1e-70);
    assertThrows(IllegalArgumentException.class, () -> McNemar.of(-1, 2));
  }

  /** With whole numbers of any size. */
  private static double exact(int fewer, int more) {
    int n = fewer + more;
    BigInteger coefficient = BigInteger.ONE;
    BigInteger sum = BigInteger.ZERO;
    for (int i = 0; i <= fewer; i++) {
      sum = sum.add(coefficient);
      coefficient =
          coefficient.multiply(BigInteger.valueOf(n - i)).divide(BigInteger.valueOf(i + 1L));
    }
    var power = new java.math.BigDecimal(BigInteger.TWO.pow(n));
    return new java.math.BigDecimal(sum.shiftLeft(1))
        .divide(power, java.math.MathContext.DECIMAL128)
        .doubleValue();
  }

  @Test
  void powerIsWhatASimulationFinds() {
    double[][] cases = {{60, 0.15, 0.03}, {200, 0.06, 0.02}, {25, 0.3, 0.0}, {500, 0.02, 0.02}};
    SplittableRandom random = new SplittableRandom(3);
    for (double[] c : cases) {
      int found = 0;
      int rounds = 4000;
      for (int r = 0; r < rounds; r++) {
        int gained = 0;
        int lost = 0;
        for (int i = 0; i < c[0]; i++) {
          double u = random.nextDouble();
          if (u < c[1]) gained++;
          else if (u < c[1] + c[2]) lost++;
        }
        if (McNemar.of(gained, lost).p() <= 0.05) found++;
      }
      double power = McNemar.power((int) c[0], c[1], c[2], 0.05);
      double deviation = Math.sqrt(power * (1 - power) / rounds);
      assertEquals((double) found / rounds, power, 4 * deviation + 1e-4);
    }
    assertEquals(0, McNemar.power(100, 0, 0, 0.05));
    // All of 6 gained is 2/64; of 5 it is 2/32, which is never below 0.05.
    assertEquals(1, McNemar.power(6, 1, 0, 0.05), 1e-12);
    assertEquals(0, McNemar.power(5, 1, 0, 0.05), 1e-12);
  }

  @Test
  void smallestGainHasThePower() {
    double gain = McNemar.smallestGain(1000, 0.01, 0.05, 0.8);
    assertEquals(0.8, McNemar.power(1000, gain, 0.01, 0.05), 1e-3);
    assertTrue(Double.isNaN(McNemar.smallestGain(5, 0, 0.05, 0.8)));
  }

  @Test
  void holmByHand() {
    // 0.01·4, 0.02·3, 0.03·2 (raised to 0.06), 0.4·1.
    assertArrayEquals(
        new double[] {0.06, 0.04, 0.4, 0.06}, Holm.adjust(0.03, 0.01, 0.4, 0.02), 1e-15);
    assertArrayEquals(new double[] {1, 1}, Holm.adjust(0.6, 0.9), 0);
    assertArrayEquals(new double[0], Holm.adjust());
  }

  @Test
  void signFlipByHand() {
    // Of ±1 ±2 ±4 only 7 and −7 are as far from 0 as 7; as far as 5: ±7, ±5.
    assertEquals(0.25, SignFlip.p(1, 2, 4));
    assertEquals(0.5, SignFlip.p(-1, 2, 4));
    assertEquals(2 / 1024.0, SignFlip.p(.1, .2, .1, .3, .2, .1, .4, .1, .1, .2));
    assertEquals(1, SignFlip.p(0.3, -0.3));
    assertEquals(1, SignFlip.p(0, 0));
  }

  @Test
  void pairedCountsBecomeShares() {
    Paired paired = new Paired(50, 20, 5, 25);
    assertEquals(0.55, paired.before().value(), 1e-15);
    assertEquals(0.70, paired.after().value(), 1e-15);
    assertEquals(McNemar.of(20, 5), paired.test());
    assertEquals(new Paired(51, 22, 8, 29), paired.plus(new Paired(1, 2, 3, 4)));
  }

  @Test
  void bootstrapOfOneGroupIsAsWideAsTheNormal() {
    Paired group = new Paired(500, 100, 40, 360);
    var interval = Paired.worstGain(List.of(group), 2000, 7);
    // The difference's standard error: √((b + c − (b − c)²/n)/n²).
    double error = Math.sqrt(140 - 60.0 * 60 / 1000) / 1000;
    assertEquals(0.06 - 1.96 * error, interval.low(), 0.15 * error);
    assertEquals(0.06 + 1.96 * error, interval.high(), 0.15 * error);
    // A group far above the worst plays no part.
    var both = Paired.worstGain(List.of(group, new Paired(990, 0, 0, 10)), 2000, 7);
    assertEquals(interval.low(), both.low(), 0.3 * error);
    assertEquals(interval.high(), both.high(), 0.3 * error);
  }

  /** Of one group the permutation test is McNemar's. */
  @Test
  void exchangeOfOneGroupIsMcNemar() {
    for (Paired group : List.of(new Paired(50, 20, 9, 10), new Paired(3, 80, 70, 1))) {
      double exact = group.test().p();
      double p = Paired.worstGainP(List.of(group), 20_000, 3);
      assertEquals(exact, p, 4 * Math.sqrt(exact * (1 - exact) / 20_000));
      // A group far above the worst plays no part.
      assertEquals(
          p, Paired.worstGainP(List.of(group, new Paired(990, 0, 0, 10)), 20_000, 3), 0.02);
    }
  }

  /** Equal answers have p 1; a gain that no exchange reaches has the least p there is. */
  @Test
  void exchangeHasItsEnds() {
    assertEquals(1, Paired.worstGainP(List.of(new Paired(5, 0, 0, 5)), 99, 1));
    Paired both = new Paired(0, 300, 0, 100);
    assertEquals(0.01, Paired.worstGainP(List.of(both, both), 99, 1), 1e-12);
    // What one group gains and another loses: the lowest accuracy moves, the sum does not.
    Paired up = new Paired(10, 60, 0, 130);
    Paired down = new Paired(110, 0, 60, 30);
    assertTrue(Paired.worstGainP(List.of(up, down), 999, 1) < 0.01);
    assertThrows(IllegalArgumentException.class, () -> Paired.worstGainP(List.of(), 9, 1));
  }
}
