// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.stats.Cholesky;
import io.clipsteer.engine.edit.Edit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Projections that remove an attribute from a residual linearly: the baselines of the method.
 *
 * @param difference δ of the residual's means with the attribute and without, within targets [d]
 * @param covariance Σ of tokens [d,d], row by row
 * @param centre c, which tokens with and without the attribute are moved to [d]
 */
record LinearErasure(double[] difference, double[] covariance, float[] centre) {
  /** Share of the mean variance that is added to every variance, so that Σ can be inverted. */
  private static final double RIDGE = 1e-6;

  /** Steps of the probes' projection; more would remove what is not the attribute. */
  static final List<Integer> STEPS = List.of(1, 2, 4, 8);

  /** {@code x − ((x − c)·u)u} with u the unit difference; null where the means are equal. */
  Edit.@Nullable Direction meanDifference() {
    double norm = norm(difference);
    return norm == 0 ? null : new Edit.Direction(floats(difference, 1 / norm), centre, null);
  }

  /**
   * Least-squares concept erasure of one attribute: {@code x − δ·(x − c)ᵀΣ⁻¹δ/(δᵀΣ⁻¹δ)}. It is the
   * smallest change, in Σ's norm, after which no linear reader can tell the means apart (LEACE,
   * Belrose et al. 2023, theorem 4.3, for a single concept). Null where the means are equal.
   */
  Edit.@Nullable Direction leastSquares() {
    if (norm(difference) == 0) return null;
    double[] read = whitened(List.of());
    double along = 0;
    for (int j = 0; j < read.length; j++) along += read[j] * difference[j];
    return new Edit.Direction(floats(read, 1 / along), floats(difference, 1), centre, null);
  }

  /**
   * Iterated projection onto the null space of probes (INLP, Ravfogel et al. 2020), with Fisher's
   * linear discriminant {@code Σ⁻¹δ} as the probe: each step fits it in what the steps before
   * leave, and removes it. Fewer directions than asked for where nothing is left to fit.
   */
  Edit.@Nullable Direction probes(int steps) {
    List<double[]> removed = new ArrayList<>();
    double whole = norm(difference);
    for (int step = 0; step < steps && norm(without(difference, removed)) > 1e-6 * whole; step++) {
      double[] probe = without(whitened(removed), removed);
      double norm = norm(probe);
      if (!(norm > 0)) break;
      for (int j = 0; j < probe.length; j++) probe[j] /= norm;
      removed.add(probe);
    }
    if (removed.isEmpty()) return null;
    int d = centre.length;
    float[] rows = new float[removed.size() * d];
    for (int k = 0; k < removed.size(); k++) {
      System.arraycopy(floats(removed.get(k), 1), 0, rows, k * d, d);
    }
    return new Edit.Direction(rows, centre, null);
  }

  /** {@code Σ⁻¹δ} in the complement of orthonormal directions, all of which are in the result's. */
  private double[] whitened(List<double[]> removed) {
    int d = centre.length;
    double[] sigma = covariance.clone();
    double trace = 0;
    for (int j = 0; j < d; j++) trace += sigma[j * d + j];
    for (int j = 0; j < d; j++) sigma[j * d + j] += RIDGE * trace / d;
    for (double[] u : removed) projected(sigma, u, trace / d);
    return Cholesky.of(sigma, d).solve(without(difference, removed));
  }

  /** {@code PΣP + s·uuᵀ} with {@code P = 1 − uuᵀ}, in place: invertible, and blind to u. */
  private static void projected(double[] sigma, double[] u, double s) {
    int d = u.length;
    double[] product = new double[d];
    double square = 0;
    for (int i = 0; i < d; i++) {
      for (int j = 0; j < d; j++) product[i] += sigma[i * d + j] * u[j];
      square += u[i] * product[i];
    }
    for (int i = 0; i < d; i++) {
      for (int j = 0; j < d; j++) {
        sigma[i * d + j] += (square + s) * u[i] * u[j] - product[i] * u[j] - u[i] * product[j];
      }
    }
  }

  private static double[] without(double[] x, List<double[]> removed) {
    double[] rest = x.clone();
    for (double[] u : removed) {
      double along = 0;
      for (int j = 0; j < u.length; j++) along += rest[j] * u[j];
      for (int j = 0; j < u.length; j++) rest[j] -= along * u[j];
    }
    return rest;
  }

  private static double norm(double[] x) {
    return Math.sqrt(Arrays.stream(x).map(v -> v * v).sum());
  }

  private static float[] floats(double[] x, double factor) {
    float[] floats = new float[x.length];
    for (int j = 0; j < floats.length; j++) floats[j] = (float) (x[j] * factor);
    return floats;
  }
}
