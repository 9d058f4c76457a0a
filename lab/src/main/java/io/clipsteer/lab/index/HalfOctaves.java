// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

/** Bins of a histogram of activations: half octaves from 2^−10 to 2^10. */
final class HalfOctaves {
  static final int COUNT = 40;

  private static final int LOWEST_OCTAVE = -10;

  private HalfOctaves() {}

  /** ⌊2·log2 v⌋ from the lowest, ends inside. */
  static int of(float value) {
    int exponent = Math.getExponent(value);
    // value / 2^exponent is in [1,2): its upper half octave begins at √2.
    boolean upper = exponent >= Float.MIN_EXPONENT && value >= Math.scalb(Math.sqrt(2), exponent);
    return Math.clamp(2L * (exponent - LOWEST_OCTAVE) + (upper ? 1 : 0), 0, COUNT - 1);
  }

  /** The smallest activation of a bin but the first. */
  static double lowerEdge(int bin) {
    return Math.pow(2, LOWEST_OCTAVE + bin / 2.0);
  }
}
