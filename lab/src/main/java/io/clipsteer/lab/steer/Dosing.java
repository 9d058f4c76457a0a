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
import java.util.List;

/**
 * Asks a few features at several strengths.
 *
 * @param sweep the images
 * @param sae whose features
 * @param moved which of an image's tokens are edited
 */
record Dosing(Sweep sweep, Sae sae, boolean[] moved) {
  /** Parts of the full strength that are asked. */
  private static final double[] PARTS = {
    0, 1 / 64.0, 1 / 32.0, 1 / 16.0, 1 / 8.0, 1 / 4.0, 1 / 2.0, 3 / 4.0, 1
  };

  private static final int BLOCK = 32;

  /**
   * Measures.
   *
   * @param ids feature numbers, rising
   * @param words the row of each feature's word
   * @param strength the full one
   */
  List<Dose> run(int[] ids, int[] words, double strength) {
    try (Scope scope = Scope.open()) {
      Neighbours neighbours = Neighbours.of(sweep.residuals(), moved);
      List<List<Dose.Point>> points = new ArrayList<>();
      for (int id : ids) points.add(new ArrayList<>(PARTS.length));
      for (double part : PARTS) {
        SteeredUnits units = new SteeredUnits.Features(sae, ids, part * strength);
        SteeredUnits.Shifts shifts = units.shifts(sweep.residuals());
        for (int from = 0; from < ids.length; from += BLOCK) {
          int count = Math.min(BLOCK, ids.length - from);
          Dose.Point[] some =
              points(units, shifts, words, from, count, neighbours, part * strength);
          for (int k = 0; k < count; k++) points.get(from + k).add(some[k]);
        }
      }
      List<Dose> doses = new ArrayList<>();
      for (int k = 0; k < ids.length; k++) doses.add(Dose.of(ids[k], words[k], points.get(k)));
      return doses;
    }
  }

  private Dose.Point[] points(
      SteeredUnits units,
      SteeredUnits.Shifts shifts,
      int[] words,
      int from,
      int count,
      Neighbours neighbours,
      double strength) {
    int images = sweep.images();
    int tokens = sweep.tokens();
    int rows = images * tokens;
    float[] lengths = new float[Math.multiplyExact(count, rows)];
    for (int k = 0; k < count; k++) {
      shifts.fill(from + k, 0, rows, lengths, k * rows);
      for (int row = 0; row < rows; row++) {
        if (!moved[row % tokens]) lengths[k * rows + row] = 0;
      }
    }
    int groups = Tally.groups(0, images);
    int[] sizes = Tally.sizes(images, groups);
    Dose.Point[] points = new Dose.Point[count];
    try (Scope scope = Scope.open()) {
      Tensor directions = units.directions(from, count);
      double[][] off = neighbours.of(directions, lengths, rows);
      sweep.run(
          directions,
          lengths,
          0,
          images,
          groups,
          (k, change) -> {
            // Groups are of about the same size: a group's mean is one number of the interval's.
            double[] means = new double[groups];
            double total = 0;
            for (int g = 0; g < groups; g++) {
              float sum = change.sums()[g * change.stride() + words[from + k]];
              means[g] = sum / sizes[g];
              total += sum;
            }
            Mean mean = Mean.of(means);
            double value = total / images;
            double low = groups > 1 ? value + mean.low() - mean.value() : value;
            double high = groups > 1 ? value + mean.high() - mean.value() : value;
            points[k] = new Dose.Point(strength, value, low, high, off[k][0], off[k][1]);
          });
    }
    return points;
  }

  /**
   * Real tokens, and how far edited ones lie from them.
   *
   * @param real F64 [r,d], turned to [d,r]
   * @param asked which rows of the residuals stand for those that are edited: the first of the real
   *     ones
   * @param products of asked and real ones [asked,r]
   * @param squares of the real ones' lengths [r]
   * @param unedited sum of the asked ones' distances to the nearest other
   */
  private record Neighbours(
      Tensor real, int[] asked, double[] products, double[] squares, double unedited) {
    private static final int REAL = 2048;
    private static final int ASKED = 64;

    static Neighbours of(Tensor residuals, boolean[] moved) {
      int rows = Math.toIntExact(residuals.size(0));
      List<Integer> edited = new ArrayList<>();
      for (int row = 0; row < rows; row++) if (moved[row % moved.length]) edited.add(row);
      // A step that has no factor in common with the tokens of an image meets all of its places.
      int n = Math.min(REAL, edited.size());
      long[] chosen = new long[n];
      for (int k = 0; k < n; k++) {
        int at = (int) ((long) k * 7919 % edited.size());
        chosen[k] = edited.get(at);
      }
      int[] asked = new int[Math.min(ASKED, n)];
      for (int i = 0; i < asked.length; i++) asked[i] = (int) chosen[i];
      Tensor real = residuals.indexSelect(0, Tensor.of(chosen, n)).to(DType.F64);
      Tensor turned = real.transpose(0, 1).contiguous();
      double[] products = doubles(real.narrow(0, 0, asked.length).matmul(turned));
      double[] squares = doubles(real.mul(real).sum(1, false, DType.F64));
      double unedited = 0;
      for (int i = 0; i < asked.length; i++) {
        double nearest = Double.POSITIVE_INFINITY;
        for (int j = 0; j < n; j++) {
          if (chosen[j] == asked[i]) continue;
          nearest = Math.min(nearest, squares[i] + squares[j] - 2 * products[i * n + j]);
        }
        unedited += Math.sqrt(Math.max(0, nearest));
      }
      return new Neighbours(turned, asked, products, squares, unedited);
    }

    /** Of each direction: mean relative length, and relative distance to the nearest. */
    double[][] of(Tensor directions, float[] lengths, int rows) {
      int count = Math.toIntExact(directions.size(0));
      int n = squares.length;
      Tensor d = directions.to(DType.F64);
      double[] along = doubles(d.matmul(real));
      double[] own = doubles(d.mul(d).sum(1, false, DType.F64));
      double[][] off = new double[count][2];
      for (int k = 0; k < count; k++) {
        double norms = 0;
        double distances = 0;
        for (int i = 0; i < asked.length; i++) {
          double s = lengths[k * rows + asked[i]];
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
        off[k][0] = norms / asked.length;
        off[k][1] = unedited > 0 && n > 1 ? distances / unedited : 0;
      }
      return off;
    }

    private static double[] doubles(Tensor tensor) {
      return tensor.contiguous().segment().toArray(ValueLayout.JAVA_DOUBLE);
    }
  }
}
