// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import io.clipsteer.engine.checkpoint.Tokenizer;
import io.clipsteer.engine.model.TokenSelection;

/**
 * Which tokens of a text are read: those from the start token to the end token, or the end token
 * alone, which speaks for the text ({@link TokenSelection#CLS}); never padding.
 */
public record TextTokens(Tokenizer tokenizer, TokenSelection selection) {
  /** Texts that go through the tower at once. */
  public static final int TEXTS_AT_ONCE = 64;

  /** Place of the end token. */
  public int end(long[] ids) {
    for (int i = 0; i < ids.length; i++) if (ids[i] == tokenizer.endId()) return i;
    return ids.length - 1;
  }

  /** Place of the first one read. */
  public int first(long[] ids) {
    return selection == TokenSelection.CLS ? end(ids) : 0;
  }

  /** How many are read. */
  public int count(long[] ids) {
    return end(ids) + 1 - first(ids);
  }
}
