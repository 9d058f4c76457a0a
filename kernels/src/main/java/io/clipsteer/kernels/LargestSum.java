// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** The largest of weighted sums of three rows, {@code a + s·b + q·c}. */
public final class LargestSum {
  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();

  private LargestSum() {}

  /** A row in an array: n numbers from {@code at} on. */
  public record Row(float[] values, int at) {}

  /**
   * The position of the largest sum, of equal ones the first; 0 where there is NaN.
   *
   * @param sums [n], written
   */
  public static int first(Row a, float s, Row b, float q, Row c, float[] sums) {
    int n = sums.length;
    FloatVector most = FloatVector.broadcast(SPECIES, Float.NEGATIVE_INFINITY);
    FloatVector bySecond = FloatVector.broadcast(SPECIES, s);
    FloatVector byThird = FloatVector.broadcast(SPECIES, q);
    int i = 0;
    for (; i <= n - LANES; i += LANES) {
      FloatVector sum = FloatVector.fromArray(SPECIES, a.values, a.at + i);
      sum = FloatVector.fromArray(SPECIES, b.values, b.at + i).fma(bySecond, sum);
      sum = FloatVector.fromArray(SPECIES, c.values, c.at + i).fma(byThird, sum);
      sum.intoArray(sums, i);
      most = most.max(sum);
    }
    // The largest of floats does not depend on the order.
    float largest = most.reduceLanes(VectorOperators.MAX);
    for (; i < n; i++) {
      float sum = Math.fma(b.values[b.at + i], s, a.values[a.at + i]);
      sums[i] = Math.fma(c.values[c.at + i], q, sum);
      largest = Math.max(largest, sums[i]);
    }
    FloatVector wanted = FloatVector.broadcast(SPECIES, largest);
    for (i = 0; i <= n - LANES; i += LANES) {
      int lane = FloatVector.fromArray(SPECIES, sums, i).eq(wanted).firstTrue();
      if (lane < LANES) return i + lane;
    }
    for (; i < n; i++) if (sums[i] == largest) return i;
    return 0;
  }
}
