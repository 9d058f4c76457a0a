// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import java.lang.foreign.MemorySegment;

/**
 * Loops over the rows of a dense matrix, in the caller's memory and without copies. {@link #best}
 * is what this machine runs fastest; {@link ScalarKernels} is the reference that defines the
 * result.
 */
public sealed interface RowKernels permits ScalarKernels, VectorKernels {
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
  void topK(
      MemorySegment matrix,
      long rows,
      int columns,
      int k,
      MemorySegment values,
      MemorySegment indices);

  /**
   * The columns of the {@code k} largest entries of every row of a BF16 matrix, ascending; of equal
   * entries the one with the lower column counts as larger, and −0 is less than 0. A NaN without
   * sign counts as larger than every number, one with a sign as smaller.
   *
   * @param matrix BF16 [rows,columns], row-major
   * @param k 1 to {@code columns}
   * @param indices I32 [rows,k], written
   */
  void topColumnsBf16(MemorySegment matrix, long rows, int columns, int k, MemorySegment indices);

  /** Refuses sizes that do not fit the memory handed over. */
  static void checkTopColumns(
      MemorySegment matrix, long rows, int columns, int k, MemorySegment indices) {
    if (k < 1 || k > columns || rows < 0) {
      throw new IllegalArgumentException("top " + k + " of " + rows + " rows of " + columns);
    }
    if (matrix.byteSize() < 2 * rows * columns || indices.byteSize() < 4 * rows * k) {
      throw new IllegalArgumentException("memory too small for top " + k + " of " + rows + " rows");
    }
  }

  /** A BF16 number's bits as an int that sorts as the number does. */
  static int orderedBf16(short bits) {
    return bits ^ ((bits >> 15) & 0x7fff);
  }

  /**
   * Counts the entries above their column's bound.
   *
   * @param matrix F32 [rows,columns], row-major
   * @param bounds F32 [columns]
   * @param counts of each row, written
   */
  void countAbove(MemorySegment matrix, int columns, MemorySegment bounds, int[] counts);

  /**
   * Lists the entries above their column's bound, by ascending column.
   *
   * @param matrix F32 [rows,columns], row-major
   * @param bounds F32 [columns]
   * @param starts where each row's entries begin, as {@link #countAbove} counted them: rows + 1
   * @param indices I32, written: the columns
   * @param values F32, written
   */
  void takeAbove(
      MemorySegment matrix,
      int columns,
      MemorySegment bounds,
      int[] starts,
      MemorySegment indices,
      MemorySegment values);

  /** The fastest implementation here: the Vector API's. */
  static RowKernels best() {
    return VectorKernels.INSTANCE;
  }

  /** Refuses sizes that do not fit the memory handed over. */
  static void checkTopK(
      MemorySegment matrix,
      long rows,
      int columns,
      int k,
      MemorySegment values,
      MemorySegment indices) {
    if (k < 1 || k > columns || rows < 0) {
      throw new IllegalArgumentException("top " + k + " of " + rows + " rows of " + columns);
    }
    if (matrix.byteSize() < 4 * rows * columns
        || values.byteSize() < 4 * rows * k
        || indices.byteSize() < 4 * rows * k) {
      throw new IllegalArgumentException("memory too small for top " + k + " of " + rows + " rows");
    }
  }
}
