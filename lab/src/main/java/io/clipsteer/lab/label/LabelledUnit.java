// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A unit that sheets are made of. Annotators do not see which it is.
 *
 * @param sae folder of the SAE; the hook point of a neuron or direction
 * @param number of the feature, of the coordinate (j: positive part, d + j: negative part), of the
 *     random direction or of the random sheet
 * @param active share of the images on which it is active
 * @param stratum of the feature by the frequency of its SAE's features, 0 (rare) to 3
 * @param name of the index; null where it has none
 * @param scores of the index, by column
 */
public record LabelledUnit(
    LabelledKind kind,
    String sae,
    int layer,
    int number,
    double active,
    int stratum,
    @Nullable String name,
    Map<String, Double> scores) {
  /** Trained features, and the controls that they are compared with. */
  public enum LabelledKind {
    /** A feature of a trained SAE. */
    FEATURE,
    /** A coordinate of the residual stream. */
    NEURON,
    /** A random direction of the residual stream. */
    DIRECTION,
    /** A feature of an SAE with random weights, as many of which are active on a token. */
    UNTRAINED,
    /** Images drawn at random. */
    RANDOM_SHEET;

    /** The name in files. */
    @JsonValue
    public String word() {
      return name().toLowerCase(Locale.ROOT);
    }

    @Override
    public String toString() {
      return word();
    }
  }
}
