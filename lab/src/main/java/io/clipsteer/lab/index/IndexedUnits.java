// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

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

  /** As on the command line, and the main table's name. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** What the other tables' names begin with. */
  public String one() {
    return this == FEATURES ? "feature" : "neuron";
  }
}
