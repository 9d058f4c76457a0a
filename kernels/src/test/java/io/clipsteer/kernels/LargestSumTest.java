// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.junit.jupiter.api.Test;

/** The largest sum against a plain loop, for all remainders of the vectors' length. */
final class LargestSumTest {
  @Test
  void isTheFirstOfThePlainLoop() {
    Random random = new Random(4);
    for (int n = 1; n < 70; n++) {
      for (int draw = 0; draw < 20; draw++) {
        // Few distinct values, so that there are ties.
        var a = row(random, n, 3);
        var b = row(random, n, 1);
        var c = row(random, n, 7);
        float s = random.nextInt(3);
        float q = random.nextInt(3);
        int best = 0;
        float most = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < n; i++) {
          float sum =
              a.values()[a.at() + i] + s * b.values()[b.at() + i] + q * c.values()[c.at() + i];
          if (sum <= most) continue;
          most = sum;
          best = i;
        }
        assertEquals(best, LargestSum.first(a, s, b, q, c, new float[n]), "n = " + n);
      }
    }
  }

  private static LargestSum.Row row(Random random, int n, int at) {
    float[] values = new float[n + at + 2];
    for (int i = 0; i < values.length; i++) values[i] = random.nextInt(9) - 4;
    return new LargestSum.Row(values, at);
  }
}
