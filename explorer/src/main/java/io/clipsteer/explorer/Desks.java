// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import io.clipsteer.lab.index.FeatureSearch;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The runs and the images that requests are about. */
record Desks(List<RunSlot> slots, ImageShelf images) {
  /**
   * An image of a feature.
   *
   * @param image its id; null where the set does not have it
   * @param patch of the largest activation, or null
   */
  record ExemplarImage(@Nullable String image, @Nullable Integer patch, double max) {}

  /** A feature that was found. */
  record FoundFeature(
      int sae,
      int layer,
      int id,
      double score,
      @Nullable String name,
      @Nullable String steered,
      double frequency,
      List<ExemplarImage> exemplars) {}

  /** The run that a request names. */
  RunSlot slot(Route.Call call) {
    return slots.get(number(call));
  }

  /** The run that a request names, open. */
  Desk desk(Route.Call call) {
    return slot(call).desk();
  }

  /** The number of the run that a request names. */
  int number(Route.Call call) {
    int number = call.whole("run", 0);
    if (number >= 0 && number < slots.size()) return number;
    throw new InputException("run " + number, "is none", "There are 0 to " + (slots.size() - 1));
  }

  /** Features with their strongest images, as they are sent. */
  List<FoundFeature> found(Desk desk, List<FeatureSearch.Hit> hits) {
    var exemplars = desk.table().exemplars(hits, 4);
    List<FoundFeature> all = new ArrayList<>();
    for (FeatureSearch.Hit hit : hits) {
      int sae = desk.table().sae(hit);
      all.add(
          new FoundFeature(
              sae,
              hit.layer(),
              hit.id(),
              hit.score(),
              hit.name(),
              hit.steered(),
              hit.frequency(),
              exemplars(exemplars.getOrDefault(sae + ":" + hit.id(), List.of()))));
    }
    return all;
  }

  /** Images of a feature, as they are sent. */
  List<ExemplarImage> exemplars(List<Map<String, @Nullable Object>> rows) {
    List<ExemplarImage> all = new ArrayList<>();
    for (Map<String, @Nullable Object> row : rows) {
      Integer patch = row.get("patch") instanceof Number number ? number.intValue() : null;
      double max = row.get("max") instanceof Number number ? number.doubleValue() : 0;
      all.add(new ExemplarImage(images.id(String.valueOf(row.get("image"))), patch, max));
    }
    return all;
  }

  /** The number of a feature's SAE. */
  static int feature(Desk desk, int number, int id) {
    int sae = desk.sae(number);
    if (id >= 0 && id < desk.run().saes().all().get(sae).sae().features()) return sae;
    throw new InputException("feature " + id, "is none", "Reload the page");
  }
}
