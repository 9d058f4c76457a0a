// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.probe;

import io.clipsteer.data.stats.Cholesky;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Multinomial logistic regression: W [k,d] and b [k] with the lowest {@code Σ_i v_i·(−log
 * softmax(W·x_i + b)_{y_i}) + λ/2·‖W‖²}; b is not penalised. That is the model of scikit-learn's
 * {@code LogisticRegression} with C = 1/λ and three classes or more. Deterministic, in F64.
 *
 * @param weights W [k,d], row by row
 * @param bias b [k]
 * @param iterations of L-BFGS
 * @param slope largest |component| at the end of the gradient of the objective divided by Σ v_i, in
 *     coordinates of about the same curvature
 */
public record SoftmaxRegression(double[] weights, double[] bias, int iterations, double slope) {
  /** Rows of one matrix product: their probabilities fit into caches. */
  private static final int PIECE = 2048;

  private static final int MOST = 2000;

  /**
   * Fits.
   *
   * @param rows x [n,d], row by row
   * @param labels y of each row, 0 to {@code classes} − 1
   * @param importance v of each class, as {@link #balanced}; null for 1
   * @param l2 λ, above 0
   * @param tolerance slope at which the fit ends
   * @param start a fit of the same shape to begin with; null for zeros
   */
  public static SoftmaxRegression fit(
      float[] rows,
      int[] labels,
      int classes,
      double @Nullable [] importance,
      double l2,
      double tolerance,
      @Nullable SoftmaxRegression start) {
    int n = labels.length;
    if (n == 0 || rows.length % n != 0 || !(l2 > 0) || classes < 2) {
      throw new IllegalArgumentException(rows.length + " numbers, " + n + " labels, l2 " + l2);
    }
    try (Whitened objective = new Whitened(rows, labels, classes, importance, l2)) {
      double[] first = new double[classes * (rows.length / n + 1)];
      if (start != null) objective.whitened(start, first);
      Lbfgs.Minimum found = Lbfgs.minimise(objective, first, tolerance, MOST);
      return objective.regression(found);
    }
  }

  /** Importance that gives all classes with rows the same sum: n/(classes·rows of the class). */
  public static double[] balanced(int[] labels, int classes) {
    double[] importance = new double[classes];
    for (int y : labels) importance[y]++;
    for (int c = 0; c < classes; c++) {
      if (importance[c] > 0) importance[c] = labels.length / (classes * importance[c]);
    }
    return importance;
  }

  /**
   * The objective divided by Σ v_i, in coordinates in which its curvature is about the same in all
   * directions, so that L-BFGS needs tens of steps in the place of thousands: rows z = M·(x − μ)
   * with M = L⁻¹, L·Lᵀ the rows' covariance plus the penalty's share. Parameters are U, then c: W =
   * U·M, b = c − W·μ. The minimum is the same.
   */
  private static final class Whitened implements Lbfgs.Objective, AutoCloseable {
    private final Tensor rows;
    private final Tensor labels;
    private final Tensor importance;
    private final Tensor penalty;
    private final int classes;
    private final int width;
    private final double l2;
    private final double total;
    private final double[] mean;
    private final double[] lower;
    private final double[] inverse;

    Whitened(float[] values, int[] y, int classes, double @Nullable [] of, double l2) {
      this.classes = classes;
      this.l2 = l2;
      int n = y.length;
      width = values.length / n;
      double[] each = new double[n];
      Arrays.setAll(each, i -> of == null ? 1 : of[y[i]]);
      total = Arrays.stream(each).sum();
      try (Scope scope = Scope.open()) {
        Tensor x = Tensor.of(values, n, width).to(DType.F64);
        Tensor centre = x.mean(0, true);
        x = x.sub(centre);
        mean = centre.toDoubles();
        double[] covariance = x.transpose(0, 1).matmul(x).toDoubles();
        // An answer's curvature is p(1 − p), here of a class among equal ones.
        double curvature = (1 - 1.0 / classes) / classes;
        double trace = 0;
        for (int j = 0; j < width; j++) trace += covariance[j * width + j] / n / width;
        for (int j = 0; j < covariance.length; j++) covariance[j] /= n;
        double share = l2 / (total * curvature) + 1e-9 * trace + Double.MIN_NORMAL;
        for (int j = 0; j < width; j++) covariance[j * width + j] += share;
        Cholesky factor = Cholesky.of(covariance, width);
        lower = factor.lower();
        inverse = factor.inverse();
        Tensor m = Tensor.of(inverse, width, width);
        rows = scope.release(x.matmul(m.transpose(0, 1)).copy());
        penalty = scope.release(m.matmul(m.transpose(0, 1)).copy());
        labels = scope.release(Tensor.of(Arrays.stream(y).asLongStream().toArray(), n, 1).copy());
        importance = scope.release(Tensor.of(each, n, 1).copy());
      }
    }

    /** Another fit's parameters in these coordinates: U = W·L, c = b + W·μ. */
    void whitened(SoftmaxRegression fit, double[] into) {
      try (Scope scope = Scope.open()) {
        Tensor w = Tensor.of(fit.weights, classes, width);
        double[] u = w.matmul(Tensor.of(lower, width, width)).toDoubles();
        double[] lift = w.matmul(Tensor.of(mean, width, 1)).toDoubles();
        System.arraycopy(u, 0, into, 0, u.length);
        for (int c = 0; c < classes; c++) into[u.length + c] = fit.bias[c] + lift[c];
      }
    }

    SoftmaxRegression regression(Lbfgs.Minimum found) {
      try (Scope scope = Scope.open()) {
        int weights = classes * width;
        Tensor u = Tensor.of(Arrays.copyOf(found.x(), weights), classes, width);
        Tensor w = u.matmul(Tensor.of(inverse, width, width));
        double[] bias = Arrays.copyOfRange(found.x(), weights, weights + classes);
        double[] lift = w.matmul(Tensor.of(mean, width, 1)).toDoubles();
        for (int c = 0; c < classes; c++) bias[c] -= lift[c];
        return new SoftmaxRegression(w.toDoubles(), bias, found.iterations(), found.slope());
      }
    }

    @Override
    public double evaluate(double[] parameters, double[] gradient) {
      try (Scope scope = Scope.open()) {
        int weights = classes * width;
        Tensor u = Tensor.of(Arrays.copyOf(parameters, weights), classes, width);
        Tensor c =
            Tensor.of(Arrays.copyOfRange(parameters, weights, parameters.length), 1, classes);
        Tensor columns = u.transpose(0, 1);
        Tensor bent = u.matmul(penalty).mulInPlace(l2);
        double loss = bent.mul(u).sum(DType.F64).item() / 2;
        Tensor slopes = bent;
        Tensor lifts = Tensor.zeros(DType.F64, classes);
        long n = rows.size(0);
        for (long from = 0; from < n; from += PIECE) {
          try (Scope piece = Scope.open()) {
            long count = Math.min(PIECE, n - from);
            Tensor z = rows.narrow(0, from, count);
            Tensor y = labels.narrow(0, from, count);
            Tensor v = importance.narrow(0, from, count);
            Tensor log = z.matmul(columns).addInPlace(c).logSoftmax(1);
            Tensor own = log.gather(1, y);
            loss -= own.mul(v).sum(DType.F64).item();
            Tensor apart = log.exp().scatterInPlace(1, y, own.exp().addInPlace(-1)).mulInPlace(v);
            slopes.addInPlace(apart.transpose(0, 1).matmul(z));
            lifts.addInPlace(apart.sum(0, false, DType.F64));
          }
        }
        double[] slope = slopes.toDoubles();
        double[] lift = lifts.toDoubles();
        for (int j = 0; j < weights; j++) gradient[j] = slope[j] / total;
        for (int k = 0; k < classes; k++) gradient[weights + k] = lift[k] / total;
        return loss / total;
      }
    }

    @Override
    public void close() {
      rows.close();
      labels.close();
      importance.close();
      penalty.close();
    }
  }
}
