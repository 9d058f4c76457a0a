// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Random;
import org.junit.jupiter.api.Test;

/** A matrix whose factor is known, and products of random ones. */
final class CholeskyTest {
  @Test
  void aKnownFactor() {
    double[] matrix = {4, 12, -16, 12, 37, -43, -16, -43, 98};
    Cholesky found = Cholesky.of(matrix, 3);
    assertArrayEquals(new double[] {2, 0, 0, 6, 1, 0, -8, 5, 3}, found.lower(), 1e-12);
    assertThrows(ArithmeticException.class, () -> Cholesky.of(new double[] {1, 2, 2, 1}, 2));
  }

  @Test
  void solvesAndInverts() {
    Random random = new Random(5);
    for (int d : new int[] {1, 2, 3, 4, 5, 17, 64}) {
      double[] a = random.doubles((long) d * d, -1, 1).toArray();
      double[] matrix = new double[d * d];
      for (int i = 0; i < d; i++) {
        for (int j = 0; j < d; j++) {
          for (int k = 0; k < d; k++) matrix[i * d + j] += a[i * d + k] * a[j * d + k];
        }
        matrix[i * d + i] += 0.1;
      }
      Cholesky found = Cholesky.of(matrix, d);
      double[] x = random.doubles(d, -1, 1).toArray();
      double[] right = new double[d];
      for (int i = 0; i < d; i++) for (int k = 0; k < d; k++) right[i] += matrix[i * d + k] * x[k];
      assertArrayEquals(x, found.solve(right), 1e-9);
      double[] inverse = found.inverse();
      for (int i = 0; i < d; i++) {
        for (int j = 0; j < d; j++) {
          double sum = 0;
          for (int k = 0; k < d; k++) sum += inverse[i * d + k] * found.lower()[k * d + j];
          assertEquals(i == j ? 1 : 0, sum, 1e-9);
        }
      }
    }
  }
}
