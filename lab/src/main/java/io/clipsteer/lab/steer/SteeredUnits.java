// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * What can be pushed: each unit has a direction d, and on a token with residual x a length s, by
 * which {@code x' = x + s·d}. All kinds go the same way from here on.
 */
public sealed interface SteeredUnits {
  /** The three kinds. */
  enum Kind {
    /** {@link Features}. */
    FEATURES,
    /** {@link Neurons}. */
    NEURONS,
    /** {@link Random}. */
    RANDOM;

    /** As it is written on the command line and in files. */
    public String word() {
      return name().toLowerCase(Locale.ROOT);
    }

    @Override
    public String toString() {
      return word();
    }
  }

  /** Which kind. */
  Kind kind();

  /** How many. */
  int count();

  /** A unit's number where it comes from. */
  default int id(int unit) {
    return unit;
  }

  /** Directions of units from {@code from}, F32 [count,d], in the current scope. */
  Tensor directions(int from, int count);

  /**
   * Lengths on tokens.
   *
   * @param residuals F32 [m,d]
   */
  Shifts shifts(Tensor residuals);

  /** Lengths of units on known tokens. */
  interface Shifts {
    /** Writes unit's s on the tokens {@code from} to {@code to}, beginning at {@code at}. */
    void fill(int unit, int from, int to, float[] into, int at);
  }

  /**
   * Features set to an activation: d the decoder's row, {@code s = (strength − f(x))·σ(x)}.
   *
   * @param ids which of the SAE's, rising
   * @param strength in units of the normalised activation
   */
  record Features(Sae sae, int[] ids, double strength) implements SteeredUnits {
    /** All of them. */
    public static Features all(Sae sae, double strength) {
      int[] ids = new int[sae.features()];
      Arrays.setAll(ids, i -> i);
      return new Features(sae, ids, strength);
    }

    @Override
    public Kind kind() {
      return Kind.FEATURES;
    }

    @Override
    public int count() {
      return ids.length;
    }

    @Override
    public int id(int unit) {
      return ids[unit];
    }

    @Override
    public Tensor directions(int from, int count) {
      long[] rows = new long[count];
      for (int k = 0; k < count; k++) rows[k] = ids[from + k];
      try (Scope scope = Scope.open()) {
        return scope.keep(sae.decoder().indexSelect(0, Tensor.of(rows, count)));
      }
    }

    @Override
    public Shifts shifts(Tensor residuals) {
      try (Scope scope = Scope.open()) {
        Sae.Encoded encoded = sae.encode(residuals);
        return new Active(encoded, sae.features());
      }
    }

    /** A code by feature: only few of the numbers are not 0. */
    private final class Active implements Shifts {
      private final double[] scale;
      private final int[] starts;
      private final int[] rows;
      private final float[] values;

      Active(Sae.Encoded encoded, int features) {
        scale = toDoubles(encoded.input().scale());
        var code = encoded.code();
        int entries = code.entries();
        int[] feature = new int[entries];
        for (int e = 0; e < entries; e++) {
          feature[e] = code.indices().segment().getAtIndex(ValueLayout.JAVA_INT, e);
        }
        starts = new int[features + 1];
        for (int f : feature) starts[f + 1]++;
        for (int f = 0; f < features; f++) starts[f + 1] += starts[f];
        int[] next = Arrays.copyOf(starts, features);
        rows = new int[entries];
        values = new float[entries];
        for (int row = 0; row < code.rows(); row++) {
          for (int e = code.starts()[row]; e < code.starts()[row + 1]; e++) {
            int at = next[feature[e]]++;
            rows[at] = row;
            values[at] = code.values().segment().getAtIndex(ValueLayout.JAVA_FLOAT, e);
          }
        }
      }

      @Override
      public void fill(int unit, int from, int to, float[] into, int at) {
        for (int row = from; row < to; row++)
          into[at + row - from] = (float) (strength * scale[row]);
        int feature = ids[unit];
        for (int e = starts[feature]; e < starts[feature + 1]; e++) {
          int row = rows[e];
          if (row < from || row >= to) continue;
          into[at + row - from] = (float) ((strength - values[e]) * scale[row]);
        }
      }
    }
  }

  /**
   * Coordinates of the residual set to a value: {@code s = strength − x_n}, in its own units.
   *
   * @param width how many there are
   */
  record Neurons(int width, double strength) implements SteeredUnits {
    @Override
    public Kind kind() {
      return Kind.NEURONS;
    }

    @Override
    public int count() {
      return width;
    }

    @Override
    public Tensor directions(int from, int count) {
      float[] rows = new float[Math.multiplyExact(count, width)];
      for (int k = 0; k < count; k++) rows[k * width + from + k] = 1;
      return Tensor.of(rows, count, width);
    }

    @Override
    public Shifts shifts(Tensor residuals) {
      float[] x = residuals.toFloats();
      return (unit, from, to, into, at) -> {
        for (int row = from; row < to; row++) {
          into[at + row - from] = (float) (strength - x[row * width + unit]);
        }
      };
    }
  }

  /**
   * Directions drawn evenly from all, as long as features move a token that they were silent on: d
   * of length {@code length}, {@code s = strength·σ(x)}.
   *
   * @param length that of the SAE's decoder rows
   * @param normalisation whose σ is used
   */
  record Random(
      int count,
      int width,
      double length,
      InputNormalisation normalisation,
      double strength,
      long seed)
      implements SteeredUnits {
    @Override
    public Kind kind() {
      return Kind.RANDOM;
    }

    @Override
    public Tensor directions(int from, int count) {
      float[] rows = new float[Math.multiplyExact(count, width)];
      for (int k = 0; k < count; k++) {
        var random = new SplittableRandom(seed * 0x9e3779b97f4a7c15L + from + k);
        double[] row = new double[width];
        double square = 0;
        for (int j = 0; j < width; j++) {
          row[j] = random.nextGaussian();
          square += row[j] * row[j];
        }
        double factor = length / Math.sqrt(square);
        for (int j = 0; j < width; j++) rows[k * width + j] = (float) (row[j] * factor);
      }
      return Tensor.of(rows, count, width);
    }

    @Override
    public Shifts shifts(Tensor residuals) {
      try (Scope scope = Scope.open()) {
        double[] scale = toDoubles(normalisation.apply(residuals).scale());
        return (unit, from, to, into, at) -> {
          for (int row = from; row < to; row++) {
            into[at + row - from] = (float) (strength * scale[row]);
          }
        };
      }
    }
  }

  /** Mean length of an SAE's decoder rows. */
  static double decoderLength(Sae sae) {
    try (Scope scope = Scope.open()) {
      return sae.decoder().norm(1).sum(DType.F64).item() / sae.features();
    }
  }

  private static double[] toDoubles(Tensor column) {
    float[] floats = column.toFloats();
    double[] doubles = new double[floats.length];
    for (int i = 0; i < floats.length; i++) doubles[i] = floats[i];
    return doubles;
  }
}
