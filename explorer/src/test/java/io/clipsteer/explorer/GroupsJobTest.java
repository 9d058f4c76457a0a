// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.junit.jupiter.api.Test;

/** The area under the curve, against all pairs. */
final class GroupsJobTest {
  @Test
  void isTheShareOfPairs() {
    Random random = new Random(1);
    for (int round = 0; round < 200; round++) {
      double[] first = values(random, 1 + random.nextInt(12));
      double[] second = values(random, 1 + random.nextInt(12));
      double wins = 0;
      for (double a : first) {
        for (double b : second) wins += a > b ? 1 : a == b ? 0.5 : 0;
      }
      assertEquals(wins / first.length / second.length, GroupsJob.area(first, second), 1e-12);
    }
  }

  private static double[] values(Random random, int n) {
    return random.ints(n, 0, 5).mapToDouble(i -> i).toArray();
  }
}
