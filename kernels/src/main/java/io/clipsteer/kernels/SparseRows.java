// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * A sparse matrix by rows (CSR): row i has the entries from {@code starts[i]} to {@code starts[i +
 * 1]}.
 *
 * @param columns extent of a row; entries' columns are below it
 * @param starts ascending, one more than there are rows
 * @param indices I32 [entries]: columns, each at most once in a row
 * @param values F32 [entries]
 */
public record SparseRows(int columns, int[] starts, MemorySegment indices, MemorySegment values) {
  private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED;

  /** Refuses offsets that do not rise or do not fit the memory, and columns out of range. */
  public SparseRows {
    if (starts.length == 0 || starts[0] != 0) throw new IllegalArgumentException("starts");
    for (int i = 1; i < starts.length; i++) {
      if (starts[i] < starts[i - 1]) throw new IllegalArgumentException("starts fall at " + i);
    }
    long entries = starts[starts.length - 1];
    if (indices.byteSize() < 4 * entries || values.byteSize() < 4 * entries) {
      throw new IllegalArgumentException("memory too small for " + entries + " entries");
    }
    for (long e = 0; e < entries; e++) {
      int column = indices.get(I32, 4 * e);
      if (column < 0 || column >= columns) {
        throw new IllegalArgumentException("column " + column + " of " + columns);
      }
    }
  }

  /** Rows of the same number of entries, as top-k gives them. */
  public static SparseRows uniform(
      int rows, int k, int columns, MemorySegment indices, MemorySegment values) {
    int[] starts = new int[rows + 1];
    for (int i = 0; i <= rows; i++) starts[i] = Math.multiplyExact(i, k);
    return new SparseRows(columns, starts, indices, values);
  }

  /** Number of rows. */
  public int rows() {
    return starts.length - 1;
  }

  /** Number of entries. */
  public int entries() {
    return starts[starts.length - 1];
  }

  /** The same entries by columns, within a column by ascending row. */
  public ByColumn byColumn() {
    int[] first = new int[columns + 1];
    for (int e = 0; e < entries(); e++) first[indices.get(I32, 4L * e) + 1]++;
    for (int c = 0; c < columns; c++) first[c + 1] += first[c];
    int[] next = Arrays.copyOf(first, columns);
    int[] entry = new int[entries()];
    int[] row = new int[entries()];
    for (int r = 0; r < rows(); r++) {
      for (int e = starts[r]; e < starts[r + 1]; e++) {
        int at = next[indices.get(I32, 4L * e)]++;
        entry[at] = e;
        row[at] = r;
      }
    }
    return new ByColumn(first, entry, row);
  }

  /**
   * Entries sorted by column (a counting sort: linear, and the same on every run).
   *
   * @param starts one more than there are columns
   * @param entry position in {@link SparseRows#values}
   * @param row the entry's row
   */
  public record ByColumn(int[] starts, int[] entry, int[] row) {}
}
