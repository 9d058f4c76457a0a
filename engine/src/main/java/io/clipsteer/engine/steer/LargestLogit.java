// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.steer;

import io.clipsteer.kernels.LargestSum;

/**
 * The answer of a linear head to a token that moves along a direction, in closed form: its logits
 * {@code W(g·x) + s·W(g·r) + q·(W·h + b)}, all divided by the same q, with the final norm's gain g
 * and shift h.
 *
 * @param own W(g·x) of all tokens [n,k], row by row
 * @param across W(g·r) of all directions [m,k], likewise
 * @param common W·h + b [k]
 */
public record LargestLogit(float[] own, float[] across, float[] common) {
  /**
   * The class with the largest logit, of equal ones the lower.
   *
   * @param s how far the token moves
   * @param q its size after that
   * @param logits [k], written
   */
  public int of(int token, int direction, float s, float q, float[] logits) {
    int k = common.length;
    return LargestSum.first(
        new LargestSum.Row(own, token * k),
        s,
        new LargestSum.Row(across, direction * k),
        q,
        new LargestSum.Row(common, 0),
        logits);
  }
}
