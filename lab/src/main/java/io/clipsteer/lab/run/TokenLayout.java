// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.model.VisionConfig;

/**
 * The tokens that an SAE reads of an image, or of a text, and their positions.
 *
 * @param first position of the first among the image's tokens
 * @param count their number
 * @param prefix the tower's tokens before the patches; the class token is the first of them
 * @param rows of the patch grid
 * @param columns of the patch grid
 */
public record TokenLayout(int first, int count, int prefix, int rows, int columns) {
  /** Of images of a size in pixels. */
  public static TokenLayout of(
      VisionConfig config, TokenSelection selection, int height, int width) {
    int rows = height / config.patch();
    int columns = width / config.patch();
    int prefix = config.prefixTokens();
    int tokens = prefix + rows * columns;
    return new TokenLayout(
        selection.first(prefix), selection.count(prefix, tokens), prefix, rows, columns);
  }

  /**
   * Of texts: the end token first, as it stands for the text, then the others by position.
   *
   * @param context longest text in tokens
   * @param endOnly whether only end tokens are read
   */
  public static TokenLayout ofTexts(int context, boolean endOnly) {
    return new TokenLayout(0, endOnly ? 1 : 1 + context, 1, 1, context);
  }

  /** Whether the class token (of a text the end token) is read. */
  public boolean hasCls() {
    return first == 0 && prefix > 0;
  }

  /** Number of patches that are read. */
  public int patches() {
    return Math.max(0, first + count - prefix);
  }

  /** The patch of the nth token that is read, row-major; negative for a prefix token. */
  public int patch(int token) {
    return first + token - prefix;
  }

  /** Whether the nth token that is read is the class token. */
  public boolean isCls(int token) {
    return first + token == 0 && prefix > 0;
  }
}
