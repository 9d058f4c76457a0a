// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.InputException;
import java.util.Locale;

/** What is indexed. */
public enum IndexedUnits {
  /** The SAEs' features. */
  FEATURES,
  /**
   * Coordinates of what the SAEs read, both signs: unit j is {@code max(0, x_j)}, unit d + j is
   * {@code max(0, −x_j)}. The baseline.
   */
  NEURONS;

  /** Reads {@code features} or {@code neurons}. */
  public static IndexedUnits parse(String text) {
    try {
      return valueOf(text.toUpperCase(Locale.ROOT));
    } catch (IllegalArgumentException e) {
      throw new InputException(
          "--units " + text, "is neither features nor neurons", "Name one of the two", e);
    }
  }

  /** As on the command line, and the main table's name. */
  public String word() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** What the other tables' names begin with. */
  public String one() {
    return this == FEATURES ? "feature" : "neuron";
  }
}
