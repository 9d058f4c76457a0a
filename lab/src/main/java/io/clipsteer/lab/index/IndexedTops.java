// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.InputException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The top images of an index's features.
 *
 * @param images ids, by number
 * @param features of all SAEs, dead ones included
 */
public record IndexedTops(List<String> images, List<FeatureTops> features) {
  private static final String KIND = "a table of an index";

  /**
   * A feature's images.
   *
   * @param imageFrequency share of the images on which it is active
   * @param name its clear name, or null
   * @param strongest numbers of the images with the largest activation, the largest first
   * @param broadest numbers of the images with the largest mean activation
   */
  public record FeatureTops(
      String sae,
      int id,
      double imageFrequency,
      @Nullable String name,
      List<Integer> strongest,
      List<Integer> broadest) {}

  /**
   * Ids of the index's images, by number.
   *
   * @throws InputException when the table is missing or damaged
   */
  public static List<String> images(IndexFolder folder) {
    List<String> images = new ArrayList<>();
    ParquetTables.read(
        folder.table("feature_images"),
        KIND,
        List.of("image"),
        row -> images.add(String.valueOf(row.getFirst())));
    return images;
  }

  /**
   * Reads them, row by row.
   *
   * @throws InputException when there is no complete index, or a table is damaged
   */
  public static IndexedTops read(IndexFolder folder) {
    folder.read(IndexedUnits.FEATURES);
    Map<String, Map<Integer, FeatureTops>> bySae = new HashMap<>();
    List<FeatureTops> features = new ArrayList<>();
    ParquetTables.read(
        folder.table("features"),
        KIND,
        List.of("sae", "id", "coalesce(image_frequency, 0)", "name"),
        row -> {
          String sae = String.valueOf(row.get(0));
          String name = row.get(3) == null ? null : String.valueOf(row.get(3));
          double frequency = number(row.get(2)).doubleValue();
          int id = number(row.get(1)).intValue();
          var feature =
              new FeatureTops(sae, id, frequency, name, new ArrayList<>(), new ArrayList<>());
          features.add(feature);
          bySae.computeIfAbsent(sae, s -> new HashMap<>()).put(id, feature);
        });
    ParquetTables.read(
        folder.table("feature_tops"),
        KIND,
        List.of("sae", "id", "ranking", "image_number"),
        row -> {
          var own = bySae.getOrDefault(String.valueOf(row.get(0)), Map.of());
          FeatureTops feature = own.get(number(row.get(1)).intValue());
          if (feature == null) return;
          var to = "max".equals(row.get(2)) ? feature.strongest : feature.broadest;
          to.add(number(row.get(3)).intValue());
        });
    return new IndexedTops(images(folder), features);
  }

  private static Number number(@Nullable Object cell) {
    return cell instanceof Number number ? number : -1;
  }
}
