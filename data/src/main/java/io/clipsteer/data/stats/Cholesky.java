// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

/**
 * A symmetric positive matrix as L·Lᵀ. In Java: OpenBLAS's factorisation for several threads ended
 * the process at 384 rows (ADR 1).
 *
 * @param lower L, row by row; above the diagonal 0
 * @param size d, of a matrix [d,d]
 */
public record Cholesky(double[] lower, int size) {
  /**
   * Factorises.
   *
   * @param matrix [d,d], row by row; only its lower half is read
   * @throws ArithmeticException where it is not positive
   */
  public static Cholesky of(double[] matrix, int d) {
    double[] l = new double[d * d];
    for (int i = 0; i < d; i++) {
      for (int j = 0; j <= i; j++) {
        double rest = matrix[i * d + j] - product(l, i * d, j * d, j);
        if (i == j && !(rest > 0)) throw new ArithmeticException("not positive: row " + i);
        l[i * d + j] = i == j ? Math.sqrt(rest) : rest / l[j * d + j];
      }
    }
    return new Cholesky(l, d);
  }

  /** In four sums, which do not wait for each other. */
  private static double product(double[] l, int a, int b, int n) {
    double first = 0;
    double second = 0;
    double third = 0;
    double fourth = 0;
    int k = 0;
    for (; k < n - 3; k += 4) {
      first += l[a + k] * l[b + k];
      second += l[a + k + 1] * l[b + k + 1];
      third += l[a + k + 2] * l[b + k + 2];
      fourth += l[a + k + 3] * l[b + k + 3];
    }
    for (; k < n; k++) first += l[a + k] * l[b + k];
    return first + second + (third + fourth);
  }

  /** The x [d] of {@code L·Lᵀ·x = right}. */
  public double[] solve(double[] right) {
    double[] x = right.clone();
    for (int i = 0; i < size; i++) {
      for (int k = 0; k < i; k++) x[i] -= lower[i * size + k] * x[k];
      x[i] /= lower[i * size + i];
    }
    for (int i = size - 1; i >= 0; i--) {
      x[i] /= lower[i * size + i];
      for (int k = 0; k < i; k++) x[k] -= lower[i * size + k] * x[i];
    }
    return x;
  }

  /** L⁻¹, row by row. */
  public double[] inverse() {
    double[] m = new double[size * size];
    for (int i = 0; i < size; i++) {
      for (int k = 0; k < i; k++) {
        double factor = lower[i * size + k];
        for (int j = 0; j <= k; j++) m[i * size + j] -= factor * m[k * size + j];
      }
      double diagonal = lower[i * size + i];
      for (int j = 0; j < i; j++) m[i * size + j] /= diagonal;
      m[i * size + i] = 1 / diagonal;
    }
    return m;
  }
}
