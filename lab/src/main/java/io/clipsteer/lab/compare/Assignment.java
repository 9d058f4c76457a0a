// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.compare;

import java.util.Arrays;

/**
 * The linear assignment problem: each row one column, no column twice, the sum of values as large
 * as can be. By shortest augmenting paths over dual variables (Kuhn 1955; Jonker and Volgenant
 * 1987), beginning with column minima and what is tight at once. At most {@code rows² · columns}
 * steps, far fewer where most rows have a column of their own.
 */
final class Assignment {
  private final float[] values;
  private final int rows;
  private final int columns;
  private final double[] rowDual;
  private final double[] columnDual;
  private final int[] columnOf;
  private final int[] rowOf;

  private Assignment(float[] values, int rows, int columns) {
    this.values = values;
    this.rows = rows;
    this.columns = columns;
    rowDual = new double[rows];
    columnDual = new double[columns];
    columnOf = new int[rows];
    rowOf = new int[columns];
    Arrays.fill(columnOf, -1);
    Arrays.fill(rowOf, -1);
  }

  /**
   * Solves it.
   *
   * @param values row-major [rows,columns], finite
   * @param rows at most {@code columns}
   * @return the column of each row
   */
  static int[] maximise(float[] values, int rows, int columns) {
    if (rows > columns || values.length != (long) rows * columns) {
      throw new IllegalArgumentException(rows + " rows, " + columns + " columns");
    }
    var problem = new Assignment(values, rows, columns);
    problem.begin();
    for (int row = 0; row < rows; row++) if (problem.columnOf[row] < 0) problem.augment(row);
    return problem.columnOf;
  }

  private double cost(int row, int column) {
    return -(double) values[row * columns + column];
  }

  /** Feasible duals: columns stay at 0 where they may stay free; rows take their minimum. */
  private void begin() {
    for (int row = 0; row < rows; row++) {
      int best = 0;
      for (int c = 1; c < columns; c++) if (cost(row, c) < cost(row, best)) best = c;
      rowDual[row] = columns == 0 ? 0 : cost(row, best);
      if (columns > 0 && rowOf[best] < 0) {
        rowOf[best] = row;
        columnOf[row] = best;
      }
    }
  }

  /** Dijkstra from a free row over reduced costs to the nearest free column, and turns the path. */
  private void augment(int free) {
    double[] distance = new double[columns];
    int[] before = new int[columns];
    boolean[] done = new boolean[columns];
    Arrays.fill(distance, Double.POSITIVE_INFINITY);
    int row = free;
    double length = 0;
    int sink = -1;
    while (sink < 0) {
      int next = -1;
      double base = length - rowDual[row];
      int at = row * columns;
      for (int c = 0; c < columns; c++) {
        if (done[c]) continue;
        double by = base - values[at + c] - columnDual[c];
        if (by < distance[c]) {
          distance[c] = by;
          before[c] = row;
        }
        if (next < 0 || distance[c] < distance[next]) next = c;
      }
      length = distance[next];
      done[next] = true;
      if (rowOf[next] < 0) sink = next;
      else row = rowOf[next];
    }
    rowDual[free] += length;
    for (int c = 0; c < columns; c++) {
      if (!done[c] || c == sink) continue;
      rowDual[rowOf[c]] += length - distance[c];
      columnDual[c] -= length - distance[c];
    }
    int column = sink;
    while (true) {
      int from = before[column];
      int old = columnOf[from];
      rowOf[column] = from;
      columnOf[from] = column;
      if (from == free) break;
      column = old;
    }
  }
}
