// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.engine.sae.Sae;
import java.util.Map;
import java.util.Objects;

/**
 * The training images as an SAE reads them.
 *
 * @param labels of their items, −1 without one
 * @param statistics of the features, by class
 */
record SaeReading(
    Sae sae, ItemCodes codes, Items items, int[] labels, Map<Integer, ClassStatistics> statistics) {

  ClassStatistics statistics(int label) {
    return Objects.requireNonNull(statistics.get(label));
  }
}
