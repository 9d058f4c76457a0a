// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The k largest entries of a row whose columns fit the nearest cache, without sorting: a bisection
 * counts the entries above a bar until k are left. A wide row costs less in one scan, as {@link
 * RowKernels} does it.
 */
final class NarrowRow {
  /** Columns of the widest row. At 1,024 and 4,096 this was faster; wider ones were not timed. */
  static final int MOST_COLUMNS = 4096;

  private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;
  private static final int LANES = INTS.length();
  private static final VectorSpecies<Float> FLOATS =
      VectorSpecies.of(float.class, INTS.vectorShape());
  private static final VectorSpecies<Short> SHORTS =
      VectorSpecies.of(short.class, VectorShape.forBitSize(INTS.vectorBitSize() / 2));

  private final int columns;
  private final int k;

  /** Ints that sort as the entries do, and fillers up to a whole vector that no entry equals. */
  private final int[] keys;

  private final int[] chosen;

  /** The k-th largest of the row before: rows of a matrix resemble each other. */
  private int guess;

  NarrowRow(int columns, int k) {
    this.columns = columns;
    this.k = k;
    this.keys = new int[(columns + LANES - 1) / LANES * LANES];
    this.chosen = new int[k];
    Arrays.fill(keys, columns, keys.length, Integer.MIN_VALUE);
  }

  /**
   * The columns of the k largest, ascending, in memory that the next call overwrites.
   *
   * @param base the row's first element in an F32 matrix
   */
  int[] ofFloats(MemorySegment matrix, long base) {
    int column = 0;
    for (; column <= columns - LANES; column += LANES) {
      FloatVector v =
          FloatVector.fromMemorySegment(
              FLOATS, matrix, 4 * (base + column), ByteOrder.nativeOrder());
      IntVector bits = v.reinterpretAsInts();
      bits = bits.blend(RowKernels.NAN, v.test(VectorOperators.IS_NAN).cast(INTS));
      IntVector sign = bits.lanewise(VectorOperators.ASHR, 31).and(0x7fff_ffff);
      bits.lanewise(VectorOperators.XOR, sign).intoArray(keys, column);
    }
    for (; column < columns; column++) keys[column] = RowKernels.floatKey(matrix, base + column);
    return chosen(1 << 19);
  }

  /** As {@link #ofFloats}, of a BF16 matrix. */
  int[] ofShorts(MemorySegment matrix, long base) {
    int column = 0;
    for (; column <= columns - LANES; column += LANES) {
      ShortVector v =
          ShortVector.fromMemorySegment(
              SHORTS, matrix, 2 * (base + column), ByteOrder.nativeOrder());
      IntVector bits = (IntVector) v.castShape(INTS, 0);
      IntVector sign = bits.lanewise(VectorOperators.ASHR, 15).and(0x7fff);
      bits.lanewise(VectorOperators.XOR, sign).intoArray(keys, column);
    }
    for (; column < columns; column++) keys[column] = RowKernels.shortKey(matrix, base + column);
    return chosen(1 << 3);
  }

  /**
   * @param near how far the k-th largest may be from the guess at first, in keys
   */
  private int[] chosen(int near) {
    // At least k keys are not below low, fewer are not below high.
    int low = Integer.MIN_VALUE;
    int high = Integer.MAX_VALUE;
    int found = keys.length;
    int bar = guess;
    long step = near;
    while (found != k && (long) high - low > 1) {
      int count = notBelow(bar);
      if (count >= k) {
        low = bar;
        found = count;
      } else {
        high = bar;
      }
      if (low == Integer.MIN_VALUE || high == Integer.MAX_VALUE) {
        long next = count >= k ? low + step : high - step;
        bar = (int) Math.clamp(next, Integer.MIN_VALUE + 1L, Integer.MAX_VALUE - 1L);
        if (bar == low || bar == high) bar = middle(low, high);
        step *= 4;
      } else {
        bar = middle(low, high);
      }
    }
    guess = low;
    // Of equal entries the first ones count as larger.
    collect(low, found == k ? k : k - notBelow(high));
    return chosen;
  }

  private static int middle(int low, int high) {
    return (low & high) + ((low ^ high) >> 1);
  }

  private int notBelow(int bar) {
    int count = 0;
    for (int column = 0; column < keys.length; column += LANES) {
      IntVector v = IntVector.fromArray(INTS, keys, column);
      count += v.compare(VectorOperators.GE, bar).trueCount();
    }
    return count;
  }

  /** Lists the columns with keys above {@code bar}, and the first {@code ties} that equal it. */
  private void collect(int bar, int ties) {
    int at = 0;
    int left = ties;
    for (int column = 0; at < k; column += LANES) {
      long bits = IntVector.fromArray(INTS, keys, column).compare(VectorOperators.GE, bar).toLong();
      for (; bits != 0; bits &= bits - 1) {
        int next = column + Long.numberOfTrailingZeros(bits);
        if (keys[next] > bar || left-- > 0) chosen[at++] = next;
      }
    }
  }
}
