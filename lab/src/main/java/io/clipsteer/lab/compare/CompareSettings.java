// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.compare;

import io.clipsteer.data.InputException;

/**
 * Which features of two SAEs are the same.
 *
 * @param threshold cosine or correlation from which features are the same, above 0, at most 1
 * @param assignUpTo features of the larger SAE up to which the optimal assignment is solved
 * @param minImages images on which a feature must be active to be correlated, at least 2
 * @param seed of the chance level
 */
public record CompareSettings(double threshold, int assignUpTo, int minImages, long seed) {
  /**
   * Checks ranges.
   *
   * @throws InputException for a value out of range
   */
  public CompareSettings {
    if (!(threshold > 0 && threshold <= 1)) {
      throw new InputException("--threshold " + threshold, "not above 0 and up to 1", "Try 0.7");
    }
    if (assignUpTo < 0 || assignUpTo > 16384) {
      throw new InputException(
          "--assign-up-to " + assignUpTo, "not from 0 to 16384", "Its matrix must fit in memory");
    }
    if (minImages < 2) {
      throw new InputException(
          "--min-images " + minImages, "a correlation needs 2 at least", "Try 5");
    }
  }
}
