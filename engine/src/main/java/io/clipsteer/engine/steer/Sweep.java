// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.steer;

import io.clipsteer.engine.Tensor;

/**
 * What many edits of one place do to zero-shot answers: each edit moves tokens along one direction,
 * {@code x' = x + s·d}, and is asked on the same images. {@link LastLayer} knows the answer in
 * closed form, {@link Continued} runs the rest of the tower.
 */
public sealed interface Sweep extends AutoCloseable permits LastLayer, Continued {
  /** Takes an edit's sums; called once an edit, by any thread, in any order. */
  @FunctionalInterface
  interface Sink {
    /**
     * What an edit did.
     *
     * @param edit which
     * @param change what it did; valid during the call
     */
    void accept(int edit, AnswerShift change);
  }

  /** Number of images. */
  int images();

  /** Tokens of an image that an edit moves; the closed form needs the class token alone. */
  int tokens();

  /**
   * The tokens' residuals F32 [images·tokens,d], image by image: what an edit's shifts are computed
   * from.
   */
  Tensor residuals();

  /**
   * Edits, and asks.
   *
   * @param directions d, F32 [n,d]
   * @param shifts s, row-major [n,to − from,tokens]
   * @param from first image asked
   * @param to behind the last image asked
   * @param groups the images asked are split into so many runs of about the same length
   */
  void run(Tensor directions, float[] shifts, int from, int to, int groups, Sink sink);

  @Override
  void close();
}
