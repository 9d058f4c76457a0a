// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleUnaryOperator;

/**
 * Rotary positions: attention turns queries and keys of patches by angles of their row and column.
 * Pair t of the h/2 pairs of a head of width h consists of its numbers t and t + h/2 (readers
 * reorder the weights of models whose pairs are 2t and 2t + 1). Its angle is {@code place · θ^(−4(t
 * mod h/4)/h)}: one axis gives the first h/4 pairs, the other the rest. Prefix tokens are not
 * turned.
 */
public sealed interface Rotary {
  /**
   * Patch centres from −1 to 1 along each axis, times 2π; rows first (DINOv3).
   *
   * @param theta base of the frequencies
   * @param periods h/4 inverse frequencies of a file that holds them; empty for those of theta
   */
  record Centred(double theta, List<Double> periods) implements Rotary {
    /** Frequencies of theta alone. */
    public Centred(double theta) {
      this(theta, List.of());
    }

    public Centred {
      periods = List.copyOf(periods);
    }
  }

  /**
   * Whole places along each axis (EVA-02, Perception Encoder): {@code (i + offset)/n · reference}
   * for patch i of n.
   *
   * @param theta base of the frequencies
   * @param columnsFirst whether the first pairs turn by the column
   * @param offset of the first patch
   * @param reference patches along a side of the grid to which places are scaled; 0 for no scaling
   */
  record Grid(double theta, boolean columnsFirst, double offset, int reference) implements Rotary {}

  /** Base of the frequencies. */
  double theta();

  /** Frequency f of the h/4 of a head of width h. */
  default double frequency(int f, int width) {
    if (this instanceof Centred c && !c.periods.isEmpty()) return 1 / c.periods.get(f);
    return Math.pow(theta(), -4.0 * f / width);
  }

  /** The place of patch {@code i} of {@code n} along an axis. */
  default double place(int i, int n) {
    return switch (this) {
      case Centred c -> 2 * Math.PI * (2 * (i + 0.5) / n - 1);
      case Grid g -> g.reference == 0 ? i + g.offset : (i + g.offset) / n * g.reference;
    };
  }

  /**
   * The tables of a square grid of patches.
   *
   * @param prefix tokens before the patches, which are not turned
   * @param side patches along a side
   * @param width of a head, a multiple of 4
   */
  default Tables tables(int prefix, int side, int width) {
    boolean columnsFirst = this instanceof Grid g && g.columnsFirst;
    int quarter = width / 4;
    double[][] angles = new double[side][quarter];
    for (int i = 0; i < side; i++) {
      for (int f = 0; f < quarter; f++) {
        angles[i][f] = place(i, side) * frequency(f, width);
      }
    }
    float[][] cosines = each(angles, Math::cos);
    float[][] sines = each(angles, Math::sin);
    int tokens = prefix + side * side;
    float[] cos = new float[tokens * width];
    float[] sin = new float[tokens * width];
    Arrays.fill(cos, 0, prefix * width, 1);
    for (int t = prefix; t < tokens; t++) {
      int row = (t - prefix) / side;
      int column = (t - prefix) % side;
      for (int part = 0; part < 4; part++) {
        int i = part % 2 == 0 == columnsFirst ? column : row;
        int at = t * width + part * quarter;
        System.arraycopy(cosines[i], 0, cos, at, quarter);
        for (int f = 0; f < quarter; f++) sin[at + f] = part < 2 ? -sines[i][f] : sines[i][f];
      }
    }
    return new Tables(cos, sin, tokens, width);
  }

  private static float[][] each(double[][] angles, DoubleUnaryOperator function) {
    float[][] values = new float[angles.length][];
    for (int i = 0; i < values.length; i++) {
      values[i] = new float[angles[i].length];
      for (int f = 0; f < values[i].length; f++) {
        values[i][f] = (float) function.applyAsDouble(angles[i][f]);
      }
    }
    return values;
  }

  /**
   * Cosines, and sines with the sign of the other half's share.
   *
   * @param cos row by row, one row of {@code width} a token
   * @param sin negative in the first half of a row
   */
  record Tables(float[] cos, float[] sin, int tokens, int width) {
    /** As fp32 tensors of the current scope. */
    Turn on(Device device) {
      return new Turn(
          Tensor.of(cos, tokens, width).to(device), Tensor.of(sin, tokens, width).to(device));
    }
  }

  /** Tables [t,w] as tensors. */
  record Turn(Tensor cos, Tensor sin) {
    private Turn in(DType dtype) {
      return cos.dtype() == dtype ? this : new Turn(cos.to(dtype), sin.to(dtype));
    }

    /**
     * Turned queries or keys.
     *
     * @param x [b,heads,q,w] of the first q tokens
     */
    Tensor apply(Tensor x) {
      long q = x.size(2);
      long half = x.size(3) / 2;
      Turn own = in(x.dtype());
      Tensor swapped = Tensor.concat(List.of(x.narrow(3, half, half), x.narrow(3, 0, half)), 3);
      Tensor first = x.mul(own.cos.narrow(0, 0, q));
      return first.addInPlace(swapped.mul(own.sin.narrow(0, 0, q)));
    }
  }
}
