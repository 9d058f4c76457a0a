// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/** The plain reference: slow, short, obviously right; sums in float64. */
final class ScalarSparse implements SparseKernels {
  /** The only one; it has no state. */
  static final ScalarSparse INSTANCE = new ScalarSparse();

  private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED;

  private ScalarSparse() {}

  private static double at(MemorySegment matrix, long row, int width, int column) {
    return matrix.get(F32, 4 * (row * width + column));
  }

  private static void set(MemorySegment matrix, long row, int width, int column, double value) {
    matrix.set(F32, 4 * (row * width + column), (float) value);
  }

  private static double dot(MemorySegment a, long i, MemorySegment b, long j, int width) {
    double sum = 0;
    for (int c = 0; c < width; c++) sum += at(a, i, width, c) * at(b, j, width, c);
    return sum;
  }

  @Override
  public void rescore(MemorySegment input, SparseRows candidates, Affine encoder) {
    for (int row = 0; row < candidates.rows(); row++) {
      for (int e = candidates.starts()[row]; e < candidates.starts()[row + 1]; e++) {
        int feature = candidates.indices().get(I32, 4L * e);
        double product =
            dot(input, row, encoder.weights(), feature, encoder.width())
                + at(encoder.bias(), feature, 1, 0);
        candidates.values().set(F32, 4L * e, (float) product);
      }
    }
  }

  @Override
  public void decode(SparseRows code, Affine decoder, MemorySegment out) {
    for (int row = 0; row < code.rows(); row++) {
      for (int c = 0; c < decoder.width(); c++) {
        double sum = decoded(code, row, decoder, c);
        set(out, row, decoder.width(), c, at(decoder.bias(), 0, decoder.width(), c) + sum);
      }
    }
  }

  private static double decoded(SparseRows code, int row, Affine decoder, int column) {
    double sum = 0;
    for (int e = code.starts()[row]; e < code.starts()[row + 1]; e++) {
      int feature = code.indices().get(I32, 4L * e);
      sum +=
          code.values().get(F32, 4L * e) * at(decoder.weights(), feature, decoder.width(), column);
    }
    return sum;
  }

  @Override
  public double[] reconstruct(
      SparseRows code, Affine from, GradientTarget goal, MemorySegment out, MemorySegment toCode) {
    int width = from.width();
    double[] squares = new double[code.rows()];
    for (int row = 0; row < code.rows(); row++) {
      for (int c = 0; c < width; c++) {
        double error =
            at(from.bias(), 0, width, c)
                + decoded(code, row, from, c)
                - at(goal.rows(), row, width, c);
        squares[row] += error * error;
        set(out, row, width, c, at(goal.scales(), row, 1, 0) * error);
      }
      for (int e = code.starts()[row]; e < code.starts()[row + 1]; e++) {
        int feature = code.indices().get(I32, 4L * e);
        boolean active = code.values().get(F32, 4L * e) > 0;
        double product = dot(out, row, from.weights(), feature, width) + goal.penalty();
        toCode.set(F32, 4L * e, active ? (float) product : 0);
      }
    }
    return squares;
  }

  @Override
  public void adam(SparseGradient sparse, Moments matrix, Adam settings, boolean unitRows) {
    int width = sparse.width();
    for (int feature = 0; feature < sparse.features(); feature++) {
      double[] gradient = gradient(feature, sparse);
      if (unitRows) orthogonal(gradient, matrix.value(), feature, width);
      for (int c = 0; c < width; c++) gradient[c] *= settings.gradientScale();
      update(feature, gradient, width, matrix, settings);
      if (unitRows) {
        double norm = Math.sqrt(dot(matrix.value(), feature, matrix.value(), feature, width));
        for (int c = 0; c < width; c++) {
          set(matrix.value(), feature, width, c, at(matrix.value(), feature, width, c) / norm);
        }
      }
    }
  }

  private static double[] gradient(int feature, SparseGradient sparse) {
    SparseRows.ByColumn order = sparse.order();
    double[] gradient = new double[sparse.width()];
    for (int at = order.starts()[feature]; at < order.starts()[feature + 1]; at++) {
      double coefficient = sparse.coefficients().get(F32, 4L * order.entry()[at]);
      for (int c = 0; c < gradient.length; c++) {
        gradient[c] += coefficient * at(sparse.rows(), order.row()[at], gradient.length, c);
      }
    }
    return gradient;
  }

  /** Removes a gradient's part along a unit row. */
  private static void orthogonal(double[] gradient, MemorySegment matrix, int row, int width) {
    double along = 0;
    for (int c = 0; c < width; c++) along += gradient[c] * at(matrix, row, width, c);
    for (int c = 0; c < width; c++) gradient[c] -= along * at(matrix, row, width, c);
  }

  @Override
  public double gradientSquares(SparseGradient sparse, @Nullable MemorySegment unitRows) {
    double sum = 0;
    for (int feature = 0; feature < sparse.features(); feature++) {
      double[] gradient = gradient(feature, sparse);
      if (unitRows != null) orthogonal(gradient, unitRows, feature, sparse.width());
      for (double g : gradient) sum += g * g;
    }
    return sum;
  }

  private static void update(
      int feature, double[] gradient, int width, Moments matrix, Adam settings) {
    for (int c = 0; c < width; c++) {
      double g = gradient[c];
      double first =
          settings.beta1() * at(matrix.first(), feature, width, c) + (1 - settings.beta1()) * g;
      double second =
          settings.beta2() * at(matrix.second(), feature, width, c)
              + (1 - settings.beta2()) * g * g;
      set(matrix.first(), feature, width, c, first);
      set(matrix.second(), feature, width, c, second);
      double divisor = Math.sqrt(second) * settings.rootScale() + settings.eps();
      double value = at(matrix.value(), feature, width, c);
      set(matrix.value(), feature, width, c, value - settings.correctedRate() * first / divisor);
    }
  }
}
