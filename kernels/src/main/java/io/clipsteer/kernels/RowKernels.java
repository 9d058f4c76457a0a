// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.function.LongFunction;
import java.util.function.ObjLongConsumer;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Loops over the rows of a dense matrix with the Vector API, in the caller's memory and without
 * copies. Results do not depend on the number of lanes or threads.
 */
public final class RowKernels {
  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();
  private static final long ALL_LANES = (1L << LANES) - 1;
  private static final VectorSpecies<Short> SHORTS = ShortVector.SPECIES_PREFERRED;
  private static final long ALL_SHORTS = SHORTS.length() == 64 ? -1L : (1L << SHORTS.length()) - 1;
  private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ValueLayout.OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED;
  private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED;

  /** The bits to which {@link Float#floatToIntBits} turns every NaN. */
  static final int NAN = 0x7fc0_0000;

  private RowKernels() {}

  /**
   * The {@code k} largest entries of every row, listed by ascending column; of equal entries the
   * one with the lower column counts as larger. NaN counts as larger than every number.
   *
   * @param matrix F32 [rows,columns], row-major
   * @param columns at least {@code k}
   * @param k at least 1
   * @param values F32 [rows,k], written
   * @param indices I32 [rows,k], written: the columns
   */
  public static void topK(
      MemorySegment matrix,
      long rows,
      int columns,
      int k,
      MemorySegment values,
      MemorySegment indices) {
    check(matrix, Float.BYTES, rows, columns, k, indices);
    if (values.byteSize() < 4 * rows * k) throw tooSmall(rows, k);
    inChunks(
        rows,
        () -> floats(matrix, columns, k),
        (chosen, row) -> {
          for (int i = 0; i < k; i++) {
            values.set(F32, 4 * (row * k + i), matrix.get(F32, 4 * (row * columns + chosen[i])));
            indices.set(I32, 4 * (row * k + i), chosen[i]);
          }
        });
  }

  /** The columns of the k largest entries of a row, by the row's number. */
  private static LongFunction<int[]> floats(MemorySegment matrix, int columns, int k) {
    if (columns <= NarrowRow.MOST_COLUMNS) {
      var narrow = new NarrowRow(columns, k);
      return row -> narrow.ofFloats(matrix, row * columns);
    }
    var candidates = new Candidates(k);
    return row -> {
      candidates.clear();
      scan(matrix, row * columns, columns, candidates);
      return candidates.chosen();
    };
  }

  /**
   * Runs all rows, in chunks of consecutive rows.
   *
   * @param chooser makes a chunk's choice of columns, which may keep memory from row to row
   * @param write takes a row's columns
   */
  private static void inChunks(
      long rows, Supplier<LongFunction<int[]>> chooser, ObjLongConsumer<int[]> write) {
    int chunks = (int) Math.min(rows, 4L * Runtime.getRuntime().availableProcessors());
    LongStream.range(0, chunks)
        .parallel()
        .forEach(
            chunk -> {
              LongFunction<int[]> chosen = chooser.get();
              long end = rows * (chunk + 1) / chunks;
              for (long row = rows * chunk / chunks; row < end; row++) {
                write.accept(chosen.apply(row), row);
              }
            });
  }

  /** Offers every entry that may still belong to the largest k, by ascending column. */
  private static void scan(MemorySegment matrix, long base, int columns, Candidates candidates) {
    boolean cut = false;
    float bar = 0;
    int column = 0;
    int vectorEnd = columns - columns % LANES;
    for (; column < vectorEnd; column += LANES) {
      FloatVector v =
          FloatVector.fromMemorySegment(
              SPECIES, matrix, 4 * (base + column), ByteOrder.nativeOrder());
      // "not ≤" rather than ">": NaN must pass.
      long bits = cut ? ~v.compare(VectorOperators.LE, bar).toLong() & ALL_LANES : ALL_LANES;
      while (bits != 0) {
        int lane = Long.numberOfTrailingZeros(bits);
        bits &= bits - 1;
        if (candidates.offer(floatKey(matrix, base + column + lane), column + lane)) {
          cut = true;
          bar = comparable(candidates.bar);
        }
      }
    }
    for (; column < columns; column++) {
      candidates.offer(floatKey(matrix, base + column), column);
    }
  }

  /** What the vector comparison uses for a bar: −0 equals 0 there, but counts as less here. */
  private static float comparable(int ordered) {
    float bar = Float.intBitsToFloat(ordered(ordered));
    return Float.floatToRawIntBits(bar) == 1 << 31 ? -Float.MIN_VALUE : bar;
  }

  /** A float's bits as an int that sorts as {@link Float#compare} does. */
  static int floatKey(MemorySegment matrix, long at) {
    return ordered(Float.floatToIntBits(matrix.get(F32, 4 * at)));
  }

  /** Its own inverse. */
  private static int ordered(int bits) {
    return bits ^ ((bits >> 31) & 0x7fff_ffff);
  }

  /**
   * Counts the entries above their column's bound.
   *
   * @param matrix F32 [rows,columns], row-major
   * @param bounds F32 [columns]
   * @param counts of each row, written
   */
  public static void countAbove(
      MemorySegment matrix, int columns, MemorySegment bounds, int[] counts) {
    IntStream.range(0, counts.length)
        .parallel()
        .forEach(
            row -> {
              int count = 0;
              long base = 4L * row * columns;
              for (int column = 0; column < columns; column += LANES) {
                count += above(matrix, base, columns, column, bounds).trueCount();
              }
              counts[row] = count;
            });
  }

  private static VectorMask<Float> above(
      MemorySegment matrix, long base, int columns, int column, MemorySegment bounds) {
    VectorMask<Float> inside = SPECIES.indexInRange(column, columns);
    return vector(matrix, base + 4L * column, inside)
        .compare(VectorOperators.GT, vector(bounds, 4L * column, inside), inside);
  }

  private static FloatVector vector(MemorySegment memory, long at, VectorMask<Float> mask) {
    return FloatVector.fromMemorySegment(SPECIES, memory, at, ByteOrder.nativeOrder(), mask);
  }

  /**
   * Lists the entries above their column's bound, by ascending column.
   *
   * @param matrix F32 [rows,columns], row-major
   * @param bounds F32 [columns]
   * @param starts where each row's entries begin, as {@link #countAbove} counted them: rows + 1
   * @param indices I32, written: the columns
   * @param values F32, written
   */
  public static void takeAbove(
      MemorySegment matrix,
      int columns,
      MemorySegment bounds,
      int[] starts,
      MemorySegment indices,
      MemorySegment values) {
    IntStream.range(0, starts.length - 1)
        .parallel()
        .forEach(
            row -> {
              int at = starts[row];
              long base = 4L * row * columns;
              for (int column = 0; column < columns; column += LANES) {
                long bits = above(matrix, base, columns, column, bounds).toLong();
                while (bits != 0) {
                  int found = column + Long.numberOfTrailingZeros(bits);
                  bits &= bits - 1;
                  indices.set(I32, 4L * at, found);
                  values.set(F32, 4L * at++, matrix.get(F32, base + 4L * found));
                }
              }
            });
  }

  /**
   * The columns of the {@code k} largest entries of every row of a BF16 matrix, ascending; of equal
   * entries the one with the lower column counts as larger, and −0 is less than 0. A NaN without
   * sign counts as larger than every number, one with a sign as smaller.
   *
   * @param matrix BF16 [rows,columns], row-major
   * @param k 1 to {@code columns}
   * @param indices I32 [rows,k], written
   */
  public static void topColumnsBf16(
      MemorySegment matrix, long rows, int columns, int k, MemorySegment indices) {
    check(matrix, Short.BYTES, rows, columns, k, indices);
    inChunks(
        rows,
        () -> shorts(matrix, columns, k),
        (chosen, row) -> {
          for (int i = 0; i < k; i++) indices.set(I32, 4 * (row * k + i), chosen[i]);
        });
  }

  /** As {@link #floats}, of a BF16 matrix. */
  private static LongFunction<int[]> shorts(MemorySegment matrix, int columns, int k) {
    if (columns <= NarrowRow.MOST_COLUMNS) {
      var narrow = new NarrowRow(columns, k);
      return row -> narrow.ofShorts(matrix, row * columns);
    }
    var candidates = new Candidates(k);
    return row -> {
      candidates.clear();
      scanBf16(matrix, row * columns, columns, candidates);
      return candidates.chosen();
    };
  }

  private static void scanBf16(
      MemorySegment matrix, long base, int columns, Candidates candidates) {
    boolean cut = false;
    short bar = 0;
    int column = 0;
    int vectorEnd = columns - columns % SHORTS.length();
    for (; column < vectorEnd; column += SHORTS.length()) {
      ShortVector v =
          ShortVector.fromMemorySegment(
              SHORTS, matrix, 2 * (base + column), ByteOrder.nativeOrder());
      ShortVector ordered =
          v.lanewise(VectorOperators.ASHR, 15).and((short) 0x7fff).lanewise(VectorOperators.XOR, v);
      long bits = cut ? ordered.compare(VectorOperators.GT, bar).toLong() : ALL_SHORTS;
      while (bits != 0) {
        int lane = Long.numberOfTrailingZeros(bits);
        bits &= bits - 1;
        if (candidates.offer(shortKey(matrix, base + column + lane), column + lane)) {
          cut = true;
          bar = (short) candidates.bar;
        }
      }
    }
    for (; column < columns; column++) {
      candidates.offer(shortKey(matrix, base + column), column);
    }
  }

  /** A BF16 number's bits as an int that sorts as the number does. */
  static int shortKey(MemorySegment matrix, long at) {
    short bits = matrix.get(I16, 2 * at);
    return bits ^ ((bits >> 15) & 0x7fff);
  }

  /** Refuses sizes that do not fit the memory handed over. */
  private static void check(
      MemorySegment matrix, int bytes, long rows, int columns, int k, MemorySegment indices) {
    if (k < 1 || k > columns || rows < 0) {
      throw new IllegalArgumentException("top " + k + " of " + rows + " rows of " + columns);
    }
    if (matrix.byteSize() < bytes * rows * columns || indices.byteSize() < 4 * rows * k) {
      throw tooSmall(rows, k);
    }
  }

  private static IllegalArgumentException tooSmall(long rows, int k) {
    return new IllegalArgumentException("memory too small for top " + k + " of " + rows + " rows");
  }

  /**
   * The entries that may be among the k largest. Each is one long that sorts as the entry does:
   * value first, then lower column. When the buffer is full it is cut to the best k, and the k-th
   * becomes the bar that later entries must clear: an equal one comes later and so counts as less.
   */
  private static final class Candidates {
    private final int k;
    private final long[] keys;
    private int size;

    /** Whether there is a bar yet; until then every entry counts. */
    private boolean cut;

    /** The k-th largest entry so far. */
    int bar;

    Candidates(int k) {
      this.k = k;
      this.keys = new long[k + Math.max(k, 64)];
    }

    void clear() {
      size = 0;
      cut = false;
    }

    /** Takes an entry that sorts as {@code ordered}; whether that raised the bar. */
    boolean offer(int ordered, int column) {
      // A vector's lanes were compared with the bar of before: the bar may have risen since.
      if (cut && ordered <= bar) return false;
      keys[size++] = ((long) ordered << 32) | (0xffff_ffffL & ~column);
      if (size < keys.length) return false;
      Arrays.sort(keys, 0, size);
      System.arraycopy(keys, size - k, keys, 0, k);
      size = k;
      cut = true;
      bar = (int) (keys[0] >> 32);
      return true;
    }

    /** The columns of the k largest, ascending. */
    int[] chosen() {
      Arrays.sort(keys, 0, size);
      int[] chosen = new int[k];
      for (int i = 0; i < k; i++) chosen[i] = ~(int) keys[size - k + i];
      Arrays.sort(chosen);
      return chosen;
    }
  }
}
