// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.compare;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The assignment's sum is the largest there is: all assignments are tried. */
final class AssignmentTest {
  private static double best(float[] values, int rows, int columns, int row, boolean[] taken) {
    if (row == rows) return 0;
    double best = Double.NEGATIVE_INFINITY;
    for (int c = 0; c < columns; c++) {
      if (taken[c]) continue;
      taken[c] = true;
      double sum = values[row * columns + c] + best(values, rows, columns, row + 1, taken);
      taken[c] = false;
      best = Math.max(best, sum);
    }
    return best;
  }

  private static double sum(float[] values, int columns, int[] chosen) {
    assertEquals(chosen.length, Arrays.stream(chosen).distinct().count(), "no column twice");
    double sum = 0;
    for (int row = 0; row < chosen.length; row++) sum += values[row * columns + chosen[row]];
    return sum;
  }

  @Test
  void noAssignmentIsBetter() {
    Random random = new Random(3);
    for (int trial = 0; trial < 600; trial++) {
      int rows = 1 + random.nextInt(6);
      int columns = rows + random.nextInt(3);
      float[] values = new float[rows * columns];
      // Few distinct values make ties, negative ones and gaps of many sizes.
      boolean coarse = trial % 3 == 0;
      for (int k = 0; k < values.length; k++) {
        values[k] = coarse ? random.nextInt(4) - 2 : (float) random.nextGaussian();
      }
      int[] chosen = Assignment.maximise(values, rows, columns);
      double expected = best(values, rows, columns, 0, new boolean[columns]);
      assertEquals(expected, sum(values, columns, chosen), 1e-5, "trial " + trial);
    }
  }

  @Test
  void aHiddenPermutationIsFound() {
    Random random = new Random(5);
    int n = 300;
    int[] hidden = random.ints(0, n).distinct().limit(n).toArray();
    float[] values = new float[n * n];
    for (int k = 0; k < values.length; k++) values[k] = random.nextFloat() * 0.9f;
    for (int i = 0; i < n; i++) values[i * n + hidden[i]] = 1;
    assertTrue(Arrays.equals(hidden, Assignment.maximise(values, n, n)));
  }

  @Test
  void moreRowsThanColumnsAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> Assignment.maximise(new float[6], 3, 2));
    assertEquals(0, Assignment.maximise(new float[0], 0, 4).length);
  }
}
