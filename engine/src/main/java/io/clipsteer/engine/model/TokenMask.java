// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.InputException;
import java.util.Locale;

/**
 * Which tokens are edited.
 *
 * @param text {@code all}, {@code cls}, {@code patches}, or numbers as {@code 3,4,9}, from 0 with
 *     the prefix tokens first
 */
public record TokenMask(String text) {
  /** The tokens of a selection. */
  public static TokenMask of(TokenSelection tokens) {
    return new TokenMask(tokens.name().toLowerCase(Locale.ROOT));
  }

  /** Whether the text lists token numbers. */
  private boolean isList() {
    return text.matches("\\d{1,6}(,\\d{1,6})*");
  }

  /**
   * The selection that the text names.
   *
   * @throws InputException when it lists numbers or names nothing
   */
  public TokenSelection selection() {
    try {
      return TokenSelection.valueOf(text.toUpperCase(Locale.ROOT));
    } catch (IllegalArgumentException e) {
      throw new InputException(
          "--at " + text, "names no tokens", "Use all, cls, patches or numbers as 3,4,9", e);
    }
  }

  /**
   * Whether each of an image's tokens is edited.
   *
   * @param prefixTokens the tower's tokens before the patches
   * @param tokens how many tokens an image has
   * @throws InputException when the text names no tokens, or one that is not there
   */
  public boolean[] mask(int prefixTokens, int tokens) {
    boolean[] mask = new boolean[tokens];
    if (!isList()) {
      TokenSelection selection = selection();
      int first = selection.first(prefixTokens);
      for (int t = 0; t < selection.count(prefixTokens, tokens); t++) mask[first + t] = true;
      return mask;
    }
    for (String number : text.split(",")) {
      int t = Integer.parseInt(number);
      if (t >= tokens) {
        throw new InputException(
            "--at " + text, "token " + t + " does not exist", "Tokens are 0 to " + (tokens - 1));
      }
      mask[t] = true;
    }
    return mask;
  }
}
