// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import com.fasterxml.jackson.annotation.JsonValue;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Units that are steered: each has a direction d, and on a token with residual x a length s, so
 * that {@code x' = x + s·d}. This is {@link io.clipsteer.engine.edit.Edit} with d and s apart,
 * which a {@link io.clipsteer.engine.steer.Sweep} evaluates for many units at once.
 */
public sealed interface SteeredUnits {
  /** The kinds. */
  enum UnitKind {
    /** {@link FeatureUnits}. */
    FEATURES,
    /** {@link NeuronUnits}. */
    NEURONS,
    /** {@link RandomUnits}. */
    RANDOM;

    /** The name on the command line and in files. */
    @JsonValue
    public String word() {
      return name().toLowerCase(Locale.ROOT);
    }

    @Override
    public String toString() {
      return word();
    }
  }

  /** How many. */
  int count();

  /** A unit's number in its SAE, or its own. */
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
    /** Writes a unit's s on the tokens {@code from} to {@code to}, beginning at {@code at}. */
    void fill(int unit, int from, int to, float[] into, int at);

    /**
     * Lengths of several units on the tokens {@code from} to {@code to}, unit by unit.
     *
     * @param from of the first token of an image
     * @param edited which of an image's tokens are edited; s is 0 on the others
     */
    default float[] lengths(int[] units, int from, int to, boolean[] edited) {
      int each = to - from;
      float[] lengths = new float[Math.multiplyExact(units.length, each)];
      for (int k = 0; k < units.length; k++) {
        fill(units[k], from, to, lengths, k * each);
        for (int row = 0; row < each; row++) {
          if (!edited[row % edited.length]) lengths[k * each + row] = 0;
        }
      }
      return lengths;
    }
  }

  /**
   * Features set to activations: d the decoder's row, {@code s = (strength − f(x))·σ(x)}.
   *
   * @param ids which of the SAE's
   * @param strengths of each, in units of the normalised activation
   */
  record FeatureUnits(Sae sae, int[] ids, double[] strengths) implements SteeredUnits {
    /** All of them, set to one activation. */
    public static FeatureUnits all(Sae sae, double strength) {
      return of(sae, IntStream.range(0, sae.features()).toArray(), strength);
    }

    /** Some, set to one activation. */
    static FeatureUnits of(Sae sae, int[] ids, double strength) {
      double[] strengths = new double[ids.length];
      Arrays.fill(strengths, strength);
      return new FeatureUnits(sae, ids, strengths);
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
      long[] rows = Arrays.stream(ids, from, from + count).asLongStream().toArray();
      try (Scope scope = Scope.open()) {
        return scope.keep(sae.decoder().indexSelect(0, Tensor.of(rows, count)));
      }
    }

    @Override
    public Shifts shifts(Tensor residuals) {
      try (Scope scope = Scope.open()) {
        Sae.Encoded encoded = sae.encode(residuals);
        double[] scale = toDoubles(encoded.input().scale());
        var code = encoded.code();
        int[] feature = code.indices().segment().toArray(ValueLayout.JAVA_INT);
        // By feature: few of its numbers are not 0.
        int[] starts = new int[sae.features() + 1];
        for (int f : feature) starts[f + 1]++;
        for (int f = 0; f < sae.features(); f++) starts[f + 1] += starts[f];
        int[] next = starts.clone();
        int[] rows = new int[feature.length];
        float[] values = new float[feature.length];
        for (int row = 0; row < code.rows(); row++) {
          for (int e = code.starts()[row]; e < code.starts()[row + 1]; e++) {
            int at = next[feature[e]]++;
            rows[at] = row;
            values[at] = code.values().segment().getAtIndex(ValueLayout.JAVA_FLOAT, e);
          }
        }
        return (unit, from, to, into, at) -> {
          double strength = strengths[unit];
          for (int row = from; row < to; row++) {
            into[at + row - from] = (float) (strength * scale[row]);
          }
          for (int e = starts[ids[unit]]; e < starts[ids[unit] + 1]; e++) {
            if (rows[e] < from || rows[e] >= to) continue;
            into[at + rows[e] - from] = (float) ((strength - values[e]) * scale[rows[e]]);
          }
        };
      }
    }
  }

  /**
   * Coordinates of the residual set to values: {@code s = strength − x_n}, in its own units.
   *
   * @param strengths of each
   */
  record NeuronUnits(double[] strengths) implements SteeredUnits {
    @Override
    public int count() {
      return strengths.length;
    }

    @Override
    public Tensor directions(int from, int count) {
      int width = strengths.length;
      float[] rows = new float[Math.multiplyExact(count, width)];
      for (int k = 0; k < count; k++) rows[k * width + from + k] = 1;
      return Tensor.of(rows, count, width);
    }

    @Override
    public Shifts shifts(Tensor residuals) {
      float[] x = residuals.toFloats();
      return (unit, from, to, into, at) -> {
        for (int row = from; row < to; row++) {
          into[at + row - from] = (float) (strengths[unit] - x[row * strengths.length + unit]);
        }
      };
    }
  }

  /**
   * Random directions, uniform on the sphere, that move a token as far as an inactive feature does:
   * d of length {@code length}, {@code s = strength·σ(x)}.
   *
   * @param length mean length of the SAE's decoder rows
   * @param normalisation whose σ is used
   */
  record RandomUnits(
      int count,
      int width,
      double length,
      InputNormalisation normalisation,
      double strength,
      long seed)
      implements SteeredUnits {
    /** Direction number {@code unit} of a seed. */
    static float[] direction(long seed, int unit, int width, double length) {
      var random = new SplittableRandom(seed * 0x9e3779b97f4a7c15L + unit);
      double[] row = new double[width];
      double square = 0;
      for (int j = 0; j < width; j++) {
        row[j] = random.nextGaussian();
        square += row[j] * row[j];
      }
      double factor = length / Math.sqrt(square);
      float[] floats = new float[width];
      for (int j = 0; j < width; j++) floats[j] = (float) (row[j] * factor);
      return floats;
    }

    @Override
    public Tensor directions(int from, int count) {
      float[] rows = new float[Math.multiplyExact(count, width)];
      for (int k = 0; k < count; k++) {
        float[] row = direction(seed, from + k, width, length);
        System.arraycopy(row, 0, rows, k * width, width);
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

  /**
   * Random directions, each of the length of a feature's decoder row, that move every token as far
   * as setting that feature does.
   *
   * @param like the features, one for each direction
   */
  record PairedUnits(FeatureUnits like, long seed) implements SteeredUnits {
    @Override
    public int count() {
      return like.count();
    }

    @Override
    public Tensor directions(int from, int count) {
      try (Scope scope = Scope.open()) {
        float[] lengths = like.directions(from, count).norm(1).toFloats();
        int width = like.sae.width();
        float[] rows = new float[Math.multiplyExact(count, width)];
        for (int k = 0; k < count; k++) {
          float[] row = RandomUnits.direction(seed, from + k, width, lengths[k]);
          System.arraycopy(row, 0, rows, k * width, width);
        }
        return scope.keep(Tensor.of(rows, count, width));
      }
    }

    @Override
    public Shifts shifts(Tensor residuals) {
      return like.shifts(residuals);
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
