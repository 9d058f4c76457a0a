// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

/**
 * Shape of a text tower.
 *
 * @param blocks shape of the blocks
 * @param context longest text, in tokens
 * @param vocabulary number of token ids
 * @param causal whether a token attends only to itself and to those before it
 * @param end which token's vector represents the text
 * @param embedDim e of the embedding
 */
public record TextConfig(
    TowerShape blocks, int context, int vocabulary, boolean causal, EndToken end, int embedDim) {
  /** Which token's vector represents the text. */
  public enum EndRule {
    /** The largest id: the end token of CLIP's vocabulary (OpenAI, open_clip, legacy configs). */
    LARGEST_ID,
    /** The first token with the end id. */
    FIRST_END,
    /** The first position. */
    FIRST,
    /** The last position. */
    LAST
  }

  /**
   * The token whose vector represents the text.
   *
   * @param id the end token's id, for {@link EndRule#FIRST_END}
   */
  public record EndToken(EndRule rule, int id) {
    /** Its position in a text. */
    int in(long[] ids) {
      return switch (rule) {
        case FIRST -> 0;
        case LAST -> ids.length - 1;
        case LARGEST_ID -> {
          int best = 0;
          for (int i = 1; i < ids.length; i++) if (ids[i] > ids[best]) best = i;
          yield best;
        }
        case FIRST_END -> {
          for (int i = 0; i < ids.length; i++) if (ids[i] == id) yield i;
          // Hugging Face takes arg max of an all-false row, which is 0.
          yield 0;
        }
      };
    }
  }

  /** d of the residual stream. */
  public int width() {
    return blocks.width();
  }

  /** Number of blocks. */
  public int layers() {
    return blocks.layers();
  }
}
