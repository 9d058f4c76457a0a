// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.stats.Median;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.steer.Sweep;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.stream.IntStream;

/** A sample of real tokens, and how far edited ones are from them. */
final class RealTokens {
  private static final int REAL = 2048;
  private static final int PROBES = 64;

  /** Units whose median stands for all. */
  private static final int SAMPLE = 128;

  private final Sweep sweep;
  private final boolean[] edited;

  /** Real tokens F64 [r,d], transposed to [d,r]. */
  private final Tensor real;

  /** Rows of the residuals that stand for those that are edited: the first of the real ones. */
  private final int[] probes;

  /** Scalar products of probes and real tokens [probes,r]. */
  private final double[] products;

  /** Squared lengths of the real tokens [r]. */
  private final double[] squares;

  /** Sum of the probes' distances to the nearest other real token. */
  private final double unedited;

  /**
   * In the current scope.
   *
   * @param edited which of an image's tokens are edited
   */
  RealTokens(Sweep sweep, boolean[] edited) {
    this.sweep = sweep;
    this.edited = edited;
    Tensor residuals = sweep.residuals();
    int[] rows =
        IntStream.range(0, Math.toIntExact(residuals.size(0)))
            .filter(row -> edited[row % edited.length])
            .toArray();
    // A stride without a factor in common with the tokens of an image visits all positions.
    int n = Math.min(REAL, rows.length);
    long[] chosen = new long[n];
    for (int k = 0; k < n; k++) chosen[k] = rows[(int) ((long) k * 7919 % rows.length)];
    probes = Arrays.stream(chosen).limit(PROBES).mapToInt(Math::toIntExact).toArray();
    Tensor sample = residuals.indexSelect(0, Tensor.of(chosen, n)).to(DType.F64);
    real = sample.transpose(0, 1).contiguous();
    products = doubles(sample.narrow(0, 0, probes.length).matmul(real));
    squares = doubles(sample.mul(sample).sum(1, false, DType.F64));
    double sum = 0;
    for (int i = 0; i < probes.length; i++) {
      double nearest = Double.POSITIVE_INFINITY;
      for (int j = 0; j < n; j++) {
        if (chosen[j] == probes[i]) continue;
        nearest = Math.min(nearest, squares[i] + squares[j] - 2 * products[i * n + j]);
      }
      sum += Math.sqrt(Math.max(0, nearest));
    }
    unedited = sum;
  }

  /**
   * Of units, at most 128 evenly spaced: the median relative length of edited tokens, and the
   * median relative distance to the nearest real one.
   */
  static double[] medians(Sweep sweep, boolean[] edited, SteeredUnits units) {
    try (Scope scope = Scope.open()) {
      RealTokens real = new RealTokens(sweep, edited);
      SteeredUnits.Shifts shifts = units.shifts(sweep.residuals());
      int some = Math.min(SAMPLE, units.count());
      double[] norms = new double[some];
      double[] nearest = new double[some];
      for (int k = 0; k < some; k++) {
        int unit = (int) ((long) k * units.count() / some);
        double[] off = real.distances(units.directions(unit, 1), shifts, new int[] {unit})[0];
        norms[k] = off[0];
        nearest[k] = off[1];
      }
      return new double[] {Median.of(norms).value(), Median.of(nearest).value()};
    }
  }

  /**
   * Of each unit: mean relative length of edited tokens, and mean relative distance to the nearest.
   *
   * @param directions of the units
   */
  double[][] distances(Tensor directions, SteeredUnits.Shifts shifts, int[] units) {
    int rows = sweep.images() * sweep.tokens();
    float[] lengths = shifts.lengths(units, 0, rows, edited);
    int count = Math.toIntExact(directions.size(0));
    int n = squares.length;
    Tensor d = directions.to(DType.F64);
    double[] along = doubles(d.matmul(real));
    double[] own = doubles(d.mul(d).sum(1, false, DType.F64));
    double[][] off = new double[count][2];
    for (int k = 0; k < count; k++) {
      double norms = 0;
      double distances = 0;
      for (int i = 0; i < probes.length; i++) {
        double s = lengths[k * rows + probes[i]];
        double square = squares[i] + 2 * s * along[k * n + i] + s * s * own[k];
        norms += Math.sqrt(Math.max(0, square) / Math.max(squares[i], 1e-300));
        double nearest = Double.POSITIVE_INFINITY;
        for (int j = 0; j < n; j++) {
          if (j == i) continue;
          double product = products[i * n + j] + s * along[k * n + j];
          nearest = Math.min(nearest, square + squares[j] - 2 * product);
        }
        distances += Math.sqrt(Math.max(0, nearest));
      }
      off[k][0] = norms / probes.length;
      off[k][1] = unedited > 0 && n > 1 ? distances / unedited : 0;
    }
    return off;
  }

  private static double[] doubles(Tensor tensor) {
    return tensor.contiguous().segment().toArray(ValueLayout.JAVA_DOUBLE);
  }
}
