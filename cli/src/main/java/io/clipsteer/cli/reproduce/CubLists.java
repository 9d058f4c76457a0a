// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.reproduce;

import io.clipsteer.data.InputException;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.table.TableRows;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * CUB-200-2011 as its authors give it out: lists beside {@code images/}. Classes lose their
 * numbers, {@code 073.Blue_Jay} becomes {@code Blue_Jay}.
 *
 * @param training file below {@code images/} by {@code CLASS/NAME}
 * @param test the same
 */
record CubLists(Path place, Map<String, String> training, Map<String, String> test) {
  /** The paper's birds, and the numbers of their images. */
  private static final String BIRDS =
      """
      jay       680   Blue_Jay
      warbler   1129  Canada_Warbler
      finch     4139  Purple_Finch
      kingbird  5099  Tropical_Kingbird
      """;

  static CubLists read(Path place) {
    if (!Files.isDirectory(place.resolve("images"))) {
      throw new InputException(place, "it has no folder images", "Unpack the set again");
    }
    Map<String, String> files = list(place.resolve("images.txt"));
    Map<String, String> labels = list(place.resolve("image_class_labels.txt"));
    Map<String, String> split = list(place.resolve("train_test_split.txt"));
    Map<String, String> classes = list(place.resolve("classes.txt"));
    Map<String, String> training = new LinkedHashMap<>();
    Map<String, String> test = new LinkedHashMap<>();
    for (Map.Entry<String, String> file : files.entrySet()) {
      String image = ImageSet.inside(place.resolve("images.txt"), file.getValue());
      String label = classes.get(labels.getOrDefault(file.getKey(), ""));
      String part = split.get(file.getKey());
      if (label == null || part == null) {
        throw new InputException(
            place.resolve("images.txt"),
            "image " + file.getKey() + " has no class or no split",
            "Unpack the set again");
      }
      String name = label.replaceFirst("^\\d+\\.", "");
      String id = name + "/" + image.substring(image.lastIndexOf('/') + 1);
      (part.equals("1") ? training : test).put(id, image);
    }
    return new CubLists(place, training, test);
  }

  /** Second column by the first, of lists of two. */
  private static Map<String, String> list(Path file) {
    Map<String, String> all = new LinkedHashMap<>();
    try (TableRows rows = TableRows.list(file)) {
      rows.names(List.of("id", "value"));
      for (List<String> row = rows.next(); row != null; row = rows.next()) {
        all.put(row.get(0), row.get(1));
      }
    }
    return all;
  }

  String into(PreparedSets sets) {
    sets.put("cub-train", folder(sets, "cub-train", training));
    sets.put("cub-test", folder(sets, "cub-test", test));
    List<String> sorted = test.keySet().stream().sorted().toList();
    List<String> notes = new ArrayList<>();
    for (String line : BIRDS.lines().toList()) {
      String[] cells = line.split(" +");
      String need = "cub-" + cells[0];
      String species = cells[2];
      int number = Integer.parseInt(cells[1]);
      String image = number < sorted.size() ? sorted.get(number) : "";
      if (!image.startsWith(species + "/")) {
        // The paper counts test images in the order of species' names.
        image = sorted.stream().filter(id -> id.startsWith(species + "/")).findFirst().orElse("");
        if (image.isEmpty()) {
          sets.unmet(need, "no test image of " + species);
          continue;
        }
        notes.add("test image " + number + " is no " + species + ": its first one stands in");
      }
      sets.put(need, place.resolve("images").resolve(test.getOrDefault(image, "")).toString());
      sets.met(need);
    }
    return String.join("; ", notes);
  }

  private String folder(PreparedSets sets, String name, Map<String, String> part) {
    LinkedFolder folder = new LinkedFolder(sets.folder(name));
    part.forEach((id, image) -> folder.link(id, place.resolve("images").resolve(image)));
    return folder.make().toString();
  }
}
