// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.reproduce;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.TextFile;
import io.clipsteer.data.imageset.ImageCursor;
import io.clipsteer.data.imageset.ImageItem;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.table.TableRows;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * ImageNet-1K as it is given out: folders by WordNet id, or flat validation images with Kaggle's
 * list. Classes have their first name; of two classes with the same one the second has its next
 * name.
 *
 * @param place of {@code train} and {@code val}
 * @param data folder of all sets
 */
record ImageNetFolders(Path place, Path data) {
  static final String CLASSES = "imagenet-classes.txt";
  private static final String NAMES = "LOC_synset_mapping.txt";
  private static final String SOLUTION = "LOC_val_solution.csv";

  String into(PreparedSets sets) {
    List<String> notes = new ArrayList<>();
    Path train = train();
    if (train == null) {
      sets.unmet("imagenet-train", place + " has neither train nor train.tar");
      notes.add("no train");
    } else {
      sets.put("imagenet-train", train.toString());
      sets.met("imagenet-train");
    }
    Path val = place.resolve("val");
    if (!Files.isDirectory(val)) {
      sets.unmet("imagenet-val", place + " has no folder val");
      notes.add("no val");
      return String.join(", ", notes);
    }
    try {
      validation(val, sets);
      sets.met("imagenet-val");
    } catch (InputException e) {
      sets.unmet("imagenet-val", String.valueOf(e.getMessage()));
      notes.add(String.valueOf(e.getMessage()));
    }
    return String.join(", ", notes);
  }

  /** Folder or archive of training images; null without. */
  @Nullable Path train() {
    return Stream.of("train", "train.tar")
        .map(place::resolve)
        .filter(Files::exists)
        .findFirst()
        .orElse(null);
  }

  /** Names of classes by folder. */
  private Map<String, String> names() {
    Map<String, String> names = new LinkedHashMap<>();
    Set<String> taken = new HashSet<>();
    Path file =
        Stream.of(place.resolve(NAMES), place.resolveSibling(NAMES), data.resolve(NAMES))
            .filter(Files::isRegularFile)
            .findFirst()
            .orElse(null);
    if (file == null) return names;
    for (String line : TextFile.lines(file)) {
      String[] parts = line.strip().split(" ", 2);
      if (parts.length < 2) continue;
      String name = parts[0];
      for (String one : parts[1].split(",")) {
        String safe = one.strip().replace('/', ' ');
        if (safe.isEmpty() || !taken.add(safe)) continue;
        name = safe;
        break;
      }
      names.put(parts[0], name);
    }
    return names;
  }

  private void validation(Path val, PreparedSets sets) {
    Map<String, String> names = names();
    LinkedFolder folder = new LinkedFolder(sets.folder("imagenet-val"));
    List<Path> classes = folders(val);
    if (classes.isEmpty()) flat(val, names, folder);
    for (Path one : classes) {
      String id = String.valueOf(one.getFileName());
      folder.link(named(names, id, val), one);
    }
    Path made = folder.make();
    sets.put("imagenet-val", made.toString());
    Set<String> labels = new HashSet<>();
    StringBuilder truth = new StringBuilder("file\tlabel\n");
    try (ImageCursor all = ImageSet.open(made).cursor()) {
      for (ImageItem item = all.next(); item != null; item = all.next()) {
        if (item.label() == null) continue;
        labels.add(item.label());
        truth.append(item.id()).append('\t').append(item.label()).append('\n');
      }
    }
    List<String> words = new ArrayList<>(names.values());
    labels.stream().filter(label -> !words.contains(label)).sorted().forEach(words::add);
    sets.file(CLASSES, String.join("\n", words) + "\n");
    sets.put("imagenet-truth", sets.file("imagenet-truth.tsv", truth.toString()).toString());
  }

  private static String named(Map<String, String> names, String id, Path val) {
    String name = names.get(id);
    if (name != null) return name;
    if (!id.matches("n\\d{8}")) return id;
    throw new InputException(
        val, "nothing names its class " + id, "Put " + NAMES + " beside the folder of the set");
  }

  /** Images of no class folder, which a list of Kaggle's labels. */
  private void flat(Path val, Map<String, String> names, LinkedFolder folder) {
    Path list =
        Stream.of(place.resolve(SOLUTION), place.resolveSibling(SOLUTION), data.resolve(SOLUTION))
            .filter(Files::isRegularFile)
            .findFirst()
            .orElse(null);
    if (list == null) {
      throw new InputException(val, "it has no class folders", "Put " + SOLUTION + " beside it");
    }
    try (TableRows rows = TableRows.open(list)) {
      int id = rows.column("ImageId");
      int label = rows.column("PredictionString");
      for (List<String> row = rows.next(); row != null; row = rows.next()) {
        String file = ImageSet.inside(rows, row.get(id)) + ".JPEG";
        String wnid = row.get(label).split(" ")[0];
        folder.link(named(names, wnid, val) + "/" + file, val.resolve(file));
      }
    }
  }

  /** Sub-folders by name. */
  static List<Path> folders(Path folder) {
    try (Stream<Path> all = Files.list(folder)) {
      return all.filter(Files::isDirectory).sorted().toList();
    } catch (IOException e) {
      throw new InputException(folder, "cannot be listed: " + Reasons.of(e), "Check it", e);
    }
  }

  /** Folders of training images by the class's name in lower case; empty for an archive. */
  Map<String, Path> trainByName() {
    Path train = train();
    return train == null || !Files.isDirectory(train) ? Map.of() : byName(train);
  }

  /** Folders of validation images by the class's name in lower case. */
  Map<String, Path> validationByName() {
    Path val = place.resolve("val");
    return Files.isDirectory(val) ? byName(val) : Map.of();
  }

  private Map<String, Path> byName(Path folder) {
    Map<String, String> names = names();
    Map<String, Path> all = new LinkedHashMap<>();
    for (Path one : folders(folder)) {
      String id = String.valueOf(one.getFileName());
      all.put(names.getOrDefault(id, id).toLowerCase(Locale.ROOT), one);
    }
    return all;
  }
}
