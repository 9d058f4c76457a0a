// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.stats.Mean;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.steer.Sweep;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Measures the dose-response of a few features, and how far edited tokens are from a sample of real
 * ones.
 */
final class Dosing {
  /** Fractions of the full strength that are evaluated. */
  private static final double[] FRACTIONS = {
    0, 1 / 64.0, 1 / 32.0, 1 / 16.0, 1 / 8.0, 1 / 4.0, 1 / 2.0, 3 / 4.0, 1
  };

  private static final int BLOCK = 32;
  private static final int REAL = 2048;
  private static final int PROBES = 64;

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

  /** In the current scope. */
  private Dosing(Sweep sweep, boolean[] edited) {
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
   * Measures.
   *
   * @param sweep the images
   * @param sae whose features
   * @param edited which of an image's tokens are edited
   * @param ids feature numbers, rising
   * @param words the row of each feature's word
   * @param strength the full one
   */
  static List<Dose> run(
      Sweep sweep, Sae sae, boolean[] edited, int[] ids, int[] words, double strength) {
    try (Scope scope = Scope.open()) {
      Dosing dosing = new Dosing(sweep, edited);
      List<List<Dose.DosePoint>> points = new ArrayList<>();
      for (int id : ids) points.add(new ArrayList<>(FRACTIONS.length));
      for (double fraction : FRACTIONS) {
        var units = new SteeredUnits.FeatureUnits(sae, ids, fraction * strength);
        SteeredUnits.Shifts shifts = units.shifts(sweep.residuals());
        for (int from = 0; from < ids.length; from += BLOCK) {
          int[] block = IntStream.range(from, Math.min(from + BLOCK, ids.length)).toArray();
          Dose.DosePoint[] some = dosing.points(units, shifts, words, block);
          for (int k = 0; k < block.length; k++) points.get(block[k]).add(some[k]);
        }
      }
      List<Dose> doses = new ArrayList<>();
      for (int k = 0; k < ids.length; k++) doses.add(Dose.of(ids[k], words[k], points.get(k)));
      return doses;
    }
  }

  /** One point of each of a block of units. */
  private Dose.DosePoint[] points(
      SteeredUnits.FeatureUnits units, SteeredUnits.Shifts shifts, int[] words, int[] block) {
    int images = sweep.images();
    int rows = images * sweep.tokens();
    float[] lengths = shifts.lengths(block, 0, rows, edited);
    int groups = Tally.groups(0, images);
    int[] sizes = Tally.sizes(images, groups);
    Dose.DosePoint[] points = new Dose.DosePoint[block.length];
    try (Scope scope = Scope.open()) {
      Tensor directions = units.directions(block[0], block.length);
      double[][] off = distances(directions, lengths, rows);
      sweep.run(
          directions,
          lengths,
          0,
          images,
          groups,
          (k, change) -> {
            // Groups are of about the same size, so that the interval is that of their means.
            double[] means = new double[groups];
            double total = 0;
            for (int g = 0; g < groups; g++) {
              float sum = change.sums()[g * change.stride() + words[block[k]]];
              means[g] = sum / sizes[g];
              total += sum;
            }
            Mean mean = Mean.of(means);
            double value = total / images;
            double low = groups > 1 ? value + mean.low() - mean.value() : value;
            double high = groups > 1 ? value + mean.high() - mean.value() : value;
            points[k] =
                new Dose.DosePoint(units.strength(), value, low, high, off[k][0], off[k][1]);
          });
    }
    return points;
  }

  /** Of each direction: mean relative length, and relative distance to the nearest. */
  private double[][] distances(Tensor directions, float[] lengths, int rows) {
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
