// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.model.VisionConfig;

/**
 * Which tokens of an image arrive, and where they lie.
 *
 * @param first the first one's place among the image's tokens
 * @param count how many arrive
 * @param prefix the tower's tokens before the patches; the class token is the first of them
 * @param rows of the patch grid
 * @param columns of the patch grid
 */
record TokenLayout(int first, int count, int prefix, int rows, int columns) {
  static TokenLayout of(
      VisionConfig config, TokenSelection selection, int height, int width) {
    int rows = height / config.patch();
    int columns = width / config.patch();
    int prefix = config.prefixTokens();
    int tokens = prefix + rows * columns;
    return new TokenLayout(
        selection.first(prefix), selection.count(prefix, tokens), prefix, rows, columns);
  }

  boolean hasCls() {
    return first == 0 && prefix > 0;
  }

  int patches() {
    return Math.max(0, first + count - prefix);
  }

  /** The patch of an arriving token, row-major; negative for a prefix token. */
  int patch(int token) {
    return first + token - prefix;
  }

  boolean isCls(int token) {
    return first + token == 0 && prefix > 0;
  }
}
