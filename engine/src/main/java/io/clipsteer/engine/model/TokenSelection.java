// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.InputException;
import java.util.Locale;
import org.apiguardian.api.API;

/** A selection of an image's tokens. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public enum TokenSelection {
  /** Every token: CLS, other prefix tokens, patches. */
  ALL,
  /** The class token only. */
  CLS,
  /** The patches only, in row-major order of the grid. */
  PATCHES;

  /** Reads {@code all}, {@code cls} or {@code patches}. */
  public static TokenSelection parse(String text) {
    try {
      return valueOf(text.toUpperCase(Locale.ROOT));
    } catch (IllegalArgumentException e) {
      throw new InputException(text, "not a token selection", "Use all, cls or patches", e);
    }
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * First token of the selection.
   *
   * @throws InputException for the class token of a tower without prefix tokens
   */
  public int first(int prefixTokens) {
    if (this == CLS && prefixTokens == 0) {
      throw new InputException(
          "token selection cls", "this tower has no class token", "Use all or patches");
    }
    return this == PATCHES ? prefixTokens : 0;
  }

  /** How many tokens of {@code tokens} are selected; they are contiguous. */
  public int count(int prefixTokens, int tokens) {
    first(prefixTokens); // refuses what is not there
    return switch (this) {
      case ALL -> tokens;
      case CLS -> 1;
      case PATCHES -> tokens - prefixTokens;
    };
  }
}
