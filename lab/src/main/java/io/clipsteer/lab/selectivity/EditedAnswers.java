// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import java.util.List;

/**
 * What a head answers for kept images when their tokens move: {@code x' = x + s·r} with a length s
 * of each token and a direction r.
 */
sealed interface EditedAnswers extends AutoCloseable permits LastPatches, Continuing {
  /** Receives the answers under one direction. */
  @FunctionalInterface
  interface AnswerTaker {
    /**
     * Takes answers.
     *
     * @param direction its number
     * @param answers class of each item
     */
    void take(int direction, int[] answers);
  }

  Items items();

  /** Class of each item without an edit. */
  int[] before();

  /** Number of classes k. */
  int classes();

  /**
   * Logits [items,k] when tokens move along several directions at once, {@code x' = x + Σ_j
   * s_j·r_j}; without directions those of the images as they are.
   *
   * @param directions r_j [n,d], row by row
   * @param shifts s_j of every token, for each direction
   */
  float[] logits(float[] directions, List<float[]> shifts);

  /** The classes of these logits; items that cannot be reached keep their answers. */
  int[] together(float[] directions, List<float[]> shifts);

  /**
   * Answers under each of several directions, with the same lengths.
   *
   * @param directions unit vectors [n,d], row by row
   * @param shifts s of every token
   * @param taker called once for each direction
   */
  void under(float[] directions, float[] shifts, AnswerTaker taker);

  @Override
  void close();
}
