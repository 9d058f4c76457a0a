// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

import java.util.Comparator;
import java.util.stream.IntStream;

/** Correction for several tests at once (Holm 1979). */
public final class Holm {
  private Holm() {}

  /**
   * Adjusted p-values, in the order given: of m values, the i-th smallest (from 0) times m − i, no
   * smaller than one before it, at most 1.
   */
  public static double[] adjust(double... p) {
    int[] order =
        IntStream.range(0, p.length)
            .boxed()
            .sorted(Comparator.comparingDouble(i -> p[i]))
            .mapToInt(Integer::intValue)
            .toArray();
    double[] adjusted = new double[p.length];
    double largest = 0;
    for (int i = 0; i < order.length; i++) {
      largest = Math.max(largest, Math.min(1, p[order[i]] * (order.length - i)));
      adjusted[order[i]] = largest;
    }
    return adjusted;
  }
}
