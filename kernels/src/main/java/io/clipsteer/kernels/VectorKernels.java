// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** The Vector API's implementation: same results as {@link ScalarKernels}, bit for bit. */
final class VectorKernels implements RowKernels {
  static final VectorKernels INSTANCE = new VectorKernels();

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();
  private static final long ALL_LANES = (1L << LANES) - 1;
  private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ValueLayout.OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED;
  private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED;

  private VectorKernels() {}

  @Override
  public void topK(
      MemorySegment matrix,
      long rows,
      int columns,
      int k,
      MemorySegment values,
      MemorySegment indices) {
    RowKernels.checkTopK(matrix, rows, columns, k, values, indices);
    int chunks = (int) Math.min(rows, 4L * Runtime.getRuntime().availableProcessors());
    LongStream.range(0, chunks)
        .parallel()
        .forEach(
            chunk -> {
              Candidates candidates = new Candidates(k);
              long end = rows * (chunk + 1) / chunks;
              for (long row = rows * chunk / chunks; row < end; row++) {
                scan(matrix, row * columns, columns, candidates);
                candidates.write(row, columns, matrix, values, indices);
              }
            });
  }

  /** Offers every entry that may still belong to the largest k, by ascending column. */
  private static void scan(MemorySegment matrix, long base, int columns, Candidates candidates) {
    candidates.clear();
    int column = 0;
    int vectorEnd = columns - columns % LANES;
    for (; column < vectorEnd; column += LANES) {
      FloatVector v =
          FloatVector.fromMemorySegment(
              SPECIES, matrix, 4 * (base + column), ByteOrder.nativeOrder());
      // "not ≤" rather than ">": NaN must pass.
      long bits = ~v.compare(VectorOperators.LE, candidates.bar).toLong() & ALL_LANES;
      if (!candidates.cut) bits = ALL_LANES;
      while (bits != 0) {
        int lane = Long.numberOfTrailingZeros(bits);
        bits &= bits - 1;
        candidates.offer(matrix.get(F32, 4 * (base + column + lane)), column + lane);
      }
    }
    for (; column < columns; column++) {
      candidates.offer(matrix.get(F32, 4 * (base + column)), column);
    }
  }

  @Override
  public void countAbove(MemorySegment matrix, int columns, MemorySegment bounds, int[] counts) {
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

  @Override
  public void takeAbove(
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

  @Override
  public void topColumnsBf16(
      MemorySegment matrix, long rows, int columns, int k, MemorySegment indices) {
    RowKernels.checkTopColumns(matrix, rows, columns, k, indices);
    int chunks = (int) Math.min(rows, 4L * Runtime.getRuntime().availableProcessors());
    LongStream.range(0, chunks)
        .parallel()
        .forEach(
            chunk -> {
              Shorts candidates = new Shorts(k);
              long end = rows * (chunk + 1) / chunks;
              for (long row = rows * chunk / chunks; row < end; row++) {
                candidates.scan(matrix, row * columns, columns);
                candidates.write(row, indices);
              }
            });
  }

  /** {@link Candidates} for BF16: a number's bits sort as a short does. */
  private static final class Shorts {
    private static final VectorSpecies<Short> SHORTS = ShortVector.SPECIES_PREFERRED;
    private static final long ALL = SHORTS.length() == 64 ? -1L : (1L << SHORTS.length()) - 1;

    private final int k;
    private final long[] keys;
    private int size;
    private boolean cut;
    private short bar;

    Shorts(int k) {
      this.k = k;
      this.keys = new long[k + Math.max(k, 64)];
    }

    void scan(MemorySegment matrix, long base, int columns) {
      size = 0;
      cut = false;
      int column = 0;
      int vectorEnd = columns - columns % SHORTS.length();
      for (; column < vectorEnd; column += SHORTS.length()) {
        ShortVector v =
            ShortVector.fromMemorySegment(
                SHORTS, matrix, 2 * (base + column), ByteOrder.nativeOrder());
        ShortVector ordered =
            v.lanewise(VectorOperators.ASHR, 15)
                .and((short) 0x7fff)
                .lanewise(VectorOperators.XOR, v);
        long bits = cut ? ordered.compare(VectorOperators.GT, bar).toLong() : ALL;
        while (bits != 0) {
          int lane = Long.numberOfTrailingZeros(bits);
          bits &= bits - 1;
          offer(matrix.get(I16, 2 * (base + column + lane)), column + lane);
        }
      }
      for (; column < columns; column++) {
        offer(matrix.get(I16, 2 * (base + column)), column);
      }
    }

    private void offer(short value, int column) {
      int ordered = RowKernels.orderedBf16(value);
      if (cut && ordered <= bar) return;
      keys[size++] = ((long) ordered << 32) | (0xffff_ffffL & ~column);
      if (size < keys.length) return;
      Arrays.sort(keys, 0, size);
      System.arraycopy(keys, size - k, keys, 0, k);
      size = k;
      cut = true;
      bar = (short) (keys[0] >> 32);
    }

    void write(long row, MemorySegment indices) {
      Arrays.sort(keys, 0, size);
      int[] chosen = new int[k];
      for (int i = 0; i < k; i++) chosen[i] = ~(int) keys[size - k + i];
      Arrays.sort(chosen);
      for (int i = 0; i < k; i++) indices.set(I32, 4 * (row * k + i), chosen[i]);
    }
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
    boolean cut;

    /** The k-th largest entry so far. */
    private float threshold;

    /** What the vector comparison uses for it: −0 equals 0 there, but counts as less here. */
    float bar;

    Candidates(int k) {
      this.k = k;
      this.keys = new long[k + Math.max(k, 64)];
    }

    void clear() {
      size = 0;
      cut = false;
    }

    void offer(float value, int column) {
      // A vector's lanes were compared with the bar of before: the bar may have risen since.
      if (cut && Float.compare(value, threshold) <= 0) return;
      keys[size++] = ((long) ordered(value) << 32) | (0xffff_ffffL & ~column);
      if (size == keys.length) shrink();
    }

    private void shrink() {
      Arrays.sort(keys, 0, size);
      System.arraycopy(keys, size - k, keys, 0, k);
      size = k;
      cut = true;
      threshold = Float.intBitsToFloat(ordered((int) (keys[0] >> 32)));
      bar = Float.floatToRawIntBits(threshold) == 1 << 31 ? -Float.MIN_VALUE : threshold;
    }

    void write(
        long row, int columns, MemorySegment matrix, MemorySegment values, MemorySegment indices) {
      Arrays.sort(keys, 0, size);
      int[] chosen = new int[k];
      for (int i = 0; i < k; i++) chosen[i] = ~(int) keys[size - k + i];
      Arrays.sort(chosen);
      for (int i = 0; i < k; i++) {
        values.set(F32, 4 * (row * k + i), matrix.get(F32, 4 * (row * columns + chosen[i])));
        indices.set(I32, 4 * (row * k + i), chosen[i]);
      }
    }

    /**
     * A float's bits as an int that sorts as {@link Float#compare} does; its own inverse on ints.
     */
    private static int ordered(float value) {
      return ordered(Float.floatToIntBits(value));
    }

    private static int ordered(int bits) {
      return bits ^ ((bits >> 31) & 0x7fff_ffff);
    }
  }
}
