// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;

/**
 * An edit that might be chosen.
 *
 * @param family what it belongs to: the method, or one of its baselines
 * @param sae folder of the SAE whose features it changes, else empty
 * @param size how many features, neurons or directions it takes
 */
public record Candidate(Family family, String sae, int size, Edit edit) {
  /** Where the edit happens. */
  EditSite place() {
    return edit.site();
  }

  /** The method and its baselines. */
  public enum Family {
    /** Features of an SAE, ranked: the method. */
    FEATURES("features"),
    /** Coordinates of the residual, ranked by the difference of their means. */
    NEURONS("neurons"),
    /** The difference of the residual's means, projected out. */
    DIRECTION("mean-difference direction"),
    /** As many features drawn at random. */
    RANDOM_FEATURES("random features"),
    /** A random direction, as far as the method moves each token. */
    RANDOM_DIRECTIONS("random directions");

    private final String word;

    Family(String word) {
      this.word = word;
    }

    /** As the report says it. */
    public String word() {
      return word;
    }
  }
}
