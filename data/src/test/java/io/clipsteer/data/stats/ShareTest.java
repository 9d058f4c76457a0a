// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** Wilson's interval against published and hand-made values. */
final class ShareTest {
  /** Newcombe 1998, table I, method 3: 81/263, 15/148, 0/20, 1/29. */
  @Test
  void newcombesTable() {
    check(81, 263, 0.2553, 0.3662);
    check(15, 148, 0.0624, 0.1605);
    check(0, 20, 0, 0.1611);
    check(1, 29, 0.0061, 0.1718);
  }

  private static void check(int hits, int n, double low, double high) {
    Share share = Share.of(hits, n);
    assertEquals((double) hits / n, share.value(), 0);
    assertEquals(low, share.low(), 5e-5);
    assertEquals(high, share.high(), 5e-5);
    assertEquals(n, share.n());
  }

  @Test
  void oneHalfMirrorsTheOther() {
    for (int hits = 0; hits <= 50; hits++) {
      Share share = Share.of(hits, 50);
      Share mirrored = Share.of(50 - hits, 50);
      assertEquals(1 - share.high(), mirrored.low(), 1e-12);
      assertTrue(share.low() <= share.value() && share.value() <= share.high());
    }
  }

  @Test
  void countsThatCannotBeAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> Share.of(0, 0));
    assertThrows(IllegalArgumentException.class, () -> Share.of(3, 2));
    assertThrows(IllegalArgumentException.class, () -> Share.of(-1, 2));
  }

  /** 20 of 100 whose common variance is that of 100 more: Wilson's interval of 10 of 50. */
  @Test
  void commonErrorsLeaveFewerIndependentThings() {
    assertEquals(Share.of(20, 100), Share.of(20, 100, 0, 16));
    double student = 2.131449546;
    double scaled = 0.2 * 0.8 / 100 * Math.pow(1.959963984540054 / student, 2);
    Share half = Share.of(20, 100, scaled, 16);
    assertEquals(Share.of(10, 50).low(), half.low(), 1e-5);
    assertEquals(Share.of(10, 50).high(), half.high(), 1e-5);
    assertEquals(0.2, half.value());
    Share unknown = Share.of(20, 100, Double.POSITIVE_INFINITY, 1);
    assertEquals(0, unknown.low());
    assertEquals(1, unknown.high());
    assertEquals(0, Share.of(0, 100, 0.01, 16).low());
    assertTrue(Share.of(0, 100, 0.01, 16).high() > Share.of(0, 100).high());
  }
}
