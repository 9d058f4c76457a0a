// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

/** The k-th largest of many numbers without sorting them (Hoare 1961), in linear expected time. */
public final class Quickselect {
  private Quickselect() {}

  /**
   * The k-th largest.
   *
   * @param values none of them NaN; their order is changed
   * @param k 1 to the number of values
   */
  public static float largest(float[] values, int k) {
    int wanted = values.length - k;
    int from = 0;
    int to = values.length - 1;
    while (from < to) {
      float pivot = median(values[from], values[(from + to) >>> 1], values[to]);
      int low = from;
      int high = to;
      while (low <= high) {
        while (values[low] < pivot) low++;
        while (values[high] > pivot) high--;
        if (low > high) break;
        float other = values[low];
        values[low++] = values[high];
        values[high--] = other;
      }
      // Between high and low all values equal the pivot.
      if (wanted <= high) to = high;
      else if (wanted >= low) from = low;
      else return values[wanted];
    }
    return values[wanted];
  }

  private static float median(float a, float b, float c) {
    return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
  }
}
