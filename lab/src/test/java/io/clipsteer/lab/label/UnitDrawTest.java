// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import org.junit.jupiter.api.Test;

/** Controls that are made as sparse as features. */
final class UnitDrawTest {
  @Test
  void theStrongestShareRemains() {
    float[] values = {0.1f, 5, 3, 0, 4};
    assertArrayEquals(new float[] {0, 5, 0, 0, 4}, UnitDraw.strongest(values, 0.4));
    assertArrayEquals(values, UnitDraw.strongest(values, 1));
    assertArrayEquals(new float[5], UnitDraw.strongest(values, 0));
  }

  @Test
  void whatIsNotActiveStaysSo() {
    assertArrayEquals(new float[] {0, 2, 0}, UnitDraw.strongest(new float[] {0, 2, 0}, 1));
  }
}
