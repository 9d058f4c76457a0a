// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/** The plain reference: slow, short, obviously right. */
public final class ScalarKernels implements RowKernels {
  /** The only one; it has no state. */
  public static final ScalarKernels INSTANCE = new ScalarKernels();

  private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ValueLayout.OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED;
  private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED;

  private ScalarKernels() {}

  @Override
  public void topK(
      MemorySegment matrix,
      long rows,
      int columns,
      int k,
      MemorySegment values,
      MemorySegment indices) {
    RowKernels.checkTopK(matrix, rows, columns, k, values, indices);
    for (long row = 0; row < rows; row++) {
      long base = row * columns;
      Comparator<Integer> larger =
          (a, b) -> Float.compare(matrix.get(F32, 4 * (base + b)), matrix.get(F32, 4 * (base + a)));
      int[] chosen =
          IntStream.range(0, columns)
              .boxed()
              .sorted(larger.thenComparing(Comparator.naturalOrder()))
              .limit(k)
              .mapToInt(Integer::intValue)
              .toArray();
      Arrays.sort(chosen);
      for (int i = 0; i < k; i++) {
        values.set(F32, 4 * (row * k + i), matrix.get(F32, 4 * (base + chosen[i])));
        indices.set(I32, 4 * (row * k + i), chosen[i]);
      }
    }
  }

  @Override
  public void countAbove(MemorySegment matrix, int columns, MemorySegment bounds, int[] counts) {
    for (int row = 0; row < counts.length; row++) {
      counts[row] = 0;
      for (int column = 0; column < columns; column++) {
        if (isAbove(matrix, row, columns, column, bounds)) counts[row]++;
      }
    }
  }

  @Override
  public void takeAbove(
      MemorySegment matrix,
      int columns,
      MemorySegment bounds,
      int[] starts,
      MemorySegment indices,
      MemorySegment values) {
    for (int row = 0; row + 1 < starts.length; row++) {
      int at = starts[row];
      for (int column = 0; column < columns; column++) {
        if (!isAbove(matrix, row, columns, column, bounds)) continue;
        indices.set(I32, 4L * at, column);
        values.set(F32, 4L * at, matrix.get(F32, 4 * ((long) row * columns + column)));
        at++;
      }
    }
  }

  private static boolean isAbove(
      MemorySegment matrix, long row, int columns, int column, MemorySegment bounds) {
    return matrix.get(F32, 4 * (row * columns + column)) > bounds.get(F32, 4L * column);
  }

  @Override
  public void topColumnsBf16(
      MemorySegment matrix, long rows, int columns, int k, MemorySegment indices) {
    RowKernels.checkTopColumns(matrix, rows, columns, k, indices);
    for (long row = 0; row < rows; row++) {
      long base = row * columns;
      Comparator<Integer> larger =
          Comparator.comparingInt(c -> -RowKernels.orderedBf16(matrix.get(I16, 2 * (base + c))));
      int[] chosen =
          IntStream.range(0, columns)
              .boxed()
              .sorted(larger.thenComparing(Comparator.naturalOrder()))
              .limit(k)
              .mapToInt(Integer::intValue)
              .sorted()
              .toArray();
      for (int i = 0; i < k; i++) indices.set(I32, 4 * (row * k + i), chosen[i]);
    }
  }
}
