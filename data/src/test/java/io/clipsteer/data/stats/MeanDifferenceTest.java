// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** Against tables of the normal distribution and intervals by hand. */
final class MeanDifferenceTest {
  @Test
  void probabilitiesOfTheNormalDistribution() {
    assertEquals(1, MeanDifference.twoSided(0), 1e-6);
    assertEquals(0.05, MeanDifference.twoSided(1.959963984540054), 1e-7);
    assertEquals(0.3173105, MeanDifference.twoSided(1), 1e-6);
    assertEquals(5.733031e-7, MeanDifference.twoSided(5), 1e-12);
  }

  @Test
  void intervalsByHand() {
    // Of the things alone: 1.96 standard errors; p is 0.05 where the interval ends at 0.
    MeanDifference own = MeanDifference.of(1.959963984540054, 1, 0, 16);
    assertEquals(0, own.low(), 1e-12);
    assertEquals(0.05, own.p(), 1e-6);
    // Of 16 groups alone: Student's with 15 degrees.
    MeanDifference common = MeanDifference.of(-2.131449546, 0, 1, 16);
    assertEquals(0, common.high(), 3e-3);
    assertEquals(0.05, common.p(), 1e-3);
    MeanDifference both = MeanDifference.of(0, 3, 4, 16);
    double half = Math.sqrt(3 * 3.841458821 + 4 * 2.131449546 * 2.131449546);
    assertEquals(half, both.high(), 5e-3);
    assertEquals(-half, both.low(), 5e-3);
    assertEquals(1, both.p(), 1e-6);
    assertEquals(1, MeanDifference.of(0, 0, 0, 16).p(), 1e-6);
  }
}
