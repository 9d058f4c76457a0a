// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

final class QuickselectTest {
  @Test
  void givesWhatSortingGives() {
    var random = new SplittableRandom(3);
    for (int n = 1; n <= 200; n++) {
      float[] values = new float[n];
      // Few different values, so that many are equal; every third array is in order already.
      for (int i = 0; i < n; i++) values[i] = random.nextInt(1 + n / 2) - n / 4f;
      if (n % 3 == 0) Arrays.sort(values);
      float[] sorted = values.clone();
      Arrays.sort(sorted);
      for (int k = 1; k <= n; k++) {
        assertEquals(sorted[n - k], Quickselect.largest(values.clone(), k), n + " " + k);
      }
    }
  }
}
