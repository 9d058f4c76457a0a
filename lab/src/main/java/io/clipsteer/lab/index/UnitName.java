// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

/**
 * A word for a unit. It is a hypothesis; {@link #isClear} says whether it is worth stating.
 *
 * @param unit its number
 * @param method {@link Namer#IMAGES} or {@link Namer#STEERING}
 * @param rank from 1
 * @param score by images: correlation of the unit's activation with the word's probability, −1 to
 *     1; by steering: the same as {@code change}
 * @param margin score minus that of the next word that is no synonym, at least 0
 * @param wordsZ score minus the vocabulary's mean score of this unit, in its standard deviations
 * @param change of the word's probability when the unit's largest activation is added to the mean
 *     image, −1 to 1; NaN for a unit that is never active
 */
record UnitName(
    int unit,
    String method,
    int rank,
    String word,
    double score,
    double margin,
    double wordsZ,
    double change) {
  /** Least score and margin of a clear name, calibrated on the demo (docs/metrics.md). */
  static final double LEAST_SCORE = 0.45;

  static final double LEAST_MARGIN = 0.15;

  /** Least rise of the probability of a word that a unit is said to raise. */
  static final double LEAST_CHANGE = 0.05;

  /** Whether the word is first by a score and a margin that random words seldom reach. */
  boolean isClear() {
    if (rank != 1) return false;
    return method.equals(Namer.IMAGES)
        ? score >= LEAST_SCORE && margin >= LEAST_MARGIN
        : score >= LEAST_CHANGE;
  }
}
