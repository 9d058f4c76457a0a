// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.steer;

import io.clipsteer.engine.Tensor;

/**
 * The effect of many edits at one site on zero-shot answers. Each edit moves tokens along one
 * direction, {@code x' = x + s·d}, and is evaluated on the same images. {@link LastLayer} computes
 * the answers in closed form, {@link Continued} runs the rest of the tower.
 */
public sealed interface Sweep extends AutoCloseable permits LastLayer, Continued {
  /** Receives an edit's sums; called once per edit, by any thread, in any order. */
  @FunctionalInterface
  interface Sink {
    /**
     * Receives one edit's effect.
     *
     * @param edit index of its direction
     * @param change its effect; valid during the call
     */
    void accept(int edit, AnswerShift change);
  }

  /** Number of images. */
  int images();

  /** Number of tokens of an image that an edit moves; in closed form the class token alone. */
  int tokens();

  /** The tokens' residuals F32 [images·tokens,d], image by image; shifts are computed from them. */
  Tensor residuals();

  /**
   * Evaluates edits on some of the images.
   *
   * @param directions d, F32 [n,d]
   * @param shifts s, row-major [n,to − from,tokens]
   * @param from first image
   * @param to one past the last image
   * @param groups number of runs of nearly equal length that the images are split into
   */
  void run(Tensor directions, float[] shifts, int from, int to, int groups, Sink sink);

  @Override
  void close();
}
