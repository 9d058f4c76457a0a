// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.data.InputException;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What a study of selectivity edits.
 *
 * @param select how a class's feature is chosen
 * @param size most features of a class, added one by one where that raises the effect
 * @param feature the feature of all classes, or null
 * @param only names of the classes to study; empty for all that the training images have
 * @param against for each of {@code only} a class that its feature tells it from, in the place of
 *     all others; empty for all others
 * @param scales values that features are set to, as multiples of their largest activation
 * @param controls random controls of each kind
 */
public record SelectivitySettings(
    FeatureChoice select,
    int size,
    @Nullable Integer feature,
    List<String> only,
    List<String> against,
    List<Double> scales,
    int controls,
    long seed) {

  /** How a class's feature is chosen on the training images. */
  public enum FeatureChoice {
    /** Largest F1 of its activation over all thresholds. */
    F1,
    /** Largest area under the ROC curve of its activation. */
    AUROC,
    /**
     * Of the first features by both, the one whose edit has the largest smooth T − O; with a class
     * to choose against, T counts the targets that become that class.
     */
    EFFECT;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  public SelectivitySettings {
    if (size > 1 && (select != FeatureChoice.EFFECT || feature != null)) {
      throw new InputException(
          "--size " + size, "needs --select effect", "Sets are chosen by their effect");
    }
    if (scales.isEmpty()) throw new IllegalArgumentException("no scale");
    for (double scale : scales) {
      if (scale <= 1 && scale >= -100) continue;
      throw new InputException(
          "--scale " + scale, "not from -100 to 1", "0 ablates, -2 is the second paper's");
    }
  }
}
