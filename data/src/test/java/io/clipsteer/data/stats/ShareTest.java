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
}
