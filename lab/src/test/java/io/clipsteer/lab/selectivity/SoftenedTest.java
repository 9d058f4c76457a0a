// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** Smooth T − O of three items by hand. */
final class SoftenedTest {
  /** Margins 2, 4 and 6 have the mean 4, so all logits are halved. */
  private static final float[] LOGITS = {2, 0, 0, 0, 4, 0, 0, 0, 6};

  private static double p(double own, double other) {
    return Math.exp(own) / (Math.exp(own) + 2 * Math.exp(other));
  }

  @Test
  void theAimIsTheRiseMinusTheHarm() {
    Softened soft = Softened.of(LOGITS, 3);
    assertEquals(0.5, soft.factor(), 1e-6);
    assertEquals(0, soft.aim(LOGITS.clone(), 0, -1), 1e-7);
    // Item 0 becomes undecided, item 1 loses one half of its margin, item 2 gains.
    float[] edited = {0, 0, 0, 0, 2, 0, 0, 0, 9};
    double gain = p(1, 0) - 1 / 3.0;
    double harm = (p(2, 0) - p(1, 0)) / 2;
    assertEquals(gain - harm, soft.aim(edited, 0, -1), 1e-6);
  }

  @Test
  void aWantedAnswerCountsItsOwnRise() {
    Softened soft = Softened.of(LOGITS, 3);
    float[] edited = {0, 2, 0, 0, 4, 0, 0, 0, 6};
    double before = 1 / (Math.exp(1) + 2);
    assertEquals(p(1, 0) - before, soft.aim(edited.clone(), 0, 1), 1e-6);
    assertEquals(0, soft.aim(edited, 0, 2), 1e-6);
  }
}
