// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import io.clipsteer.data.InputException;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.table.TableRows;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;

/** Waterbirds, typographic folders and plain tables as {@link GroupedSet}s. */
final class GroupLayouts {
  private static final List<String> SPLIT = List.of("split");
  private static final List<String> BINARY = List.of("0", "1");
  private static final List<String> PARTS = List.of("0", "1", "2");
  private static final Map<String, Integer> PART_NAMES =
      Map.of("train", 0, "validation", 1, "val", 1, "test", 2, "0", 0, "1", 1, "2", 2);
  private static final Pattern TYPOGRAPHIC =
      Pattern.compile("label=([^_=]+)_text=([^_=]+)(?:_[^_=]+=[^_=]*+|_[0-9]++)*+");

  private GroupLayouts() {}

  /**
   * Waterbirds: the target is landbird or waterbird, the attribute a background of land or water.
   *
   * <p>Layout of Sagawa et al. (github.com/kohpangwei/group_DRO): {@code metadata.csv} with {@code
   * img_filename} relative to the folder, {@code y} and {@code place} 0 or 1, {@code split} 0, 1,
   * 2; other columns are passed over.
   */
  static GroupedSet waterbirds(Path dir, GroupedSet.GroupSplit split) {
    List<String> targets = List.of("landbird", "waterbird");
    List<String> attributes = List.of("land", "water");
    Path list = GroupBuilder.folder(dir).resolve("metadata.csv");
    GroupBuilder builder = new GroupBuilder(list, dir, split);
    try (TableRows rows = TableRows.open(list)) {
      int file = rows.column("img_filename");
      int y = rows.column("y");
      int place = rows.column("place");
      int part = rows.column("split");
      for (List<String> row = rows.next(); row != null; row = rows.next()) {
        String target = targets.get(rows.code(row, y, BINARY));
        String attribute = attributes.get(rows.code(row, place, BINARY));
        builder.add(
            rows,
            ImageTable.name(rows, row.get(file)),
            target,
            attribute,
            rows.code(row, part, PARTS));
      }
    }
    return builder.build(targets, attributes);
  }

  /**
   * Typographic attacks: the target is what is seen, the attribute the word written on it. Both
   * have the same names: all words that occur as either, sorted.
   *
   * <p>Layout of RTA-100 and PAINT (github.com/azuma164/Defense-Prefix): the files' names say
   * {@code label=ice cream_text=cat.png}; {@code _key=value} parts and a number may follow. Words
   * hold neither {@code _} nor {@code =}. Sub-folders are walked, hidden files and other kinds of
   * files are passed over.
   */
  static GroupedSet typographic(Path dir) {
    GroupBuilder builder =
        new GroupBuilder(GroupBuilder.folder(dir), dir, GroupedSet.GroupSplit.ALL);
    TreeSet<String> words = new TreeSet<>();
    ImageSet folder = ImageSet.folder(dir);
    builder.listing(folder.listing());
    try (ImageCursor files = folder.cursor()) {
      for (ImageItem file = files.next(); file != null; file = files.next()) {
        String name = file.id().substring(file.id().lastIndexOf('/') + 1);
        Matcher parts = TYPOGRAPHIC.matcher(name.substring(0, name.lastIndexOf('.')));
        boolean fits = parts.matches();
        String label = fits ? WrittenName.decode(parts.group(1).strip()) : "";
        String text = fits ? WrittenName.decode(parts.group(2).strip()) : "";
        if (label.isEmpty() || text.isEmpty()) {
          throw new InputException(
              dir.resolve(file.id()),
              "its name does not say what is seen and what is written",
              "Call it as in label=dog_text=cat_0012.png; on images in class folders, clipsteer"
                  + " attack writes words first");
        }
        words.add(label);
        words.add(text);
        builder.add(dir, file.id(), label, text, 0);
      }
    }
    return builder.build(List.copyOf(words), List.copyOf(words));
  }

  /**
   * The typographic attacks of "Disentangling visual and written concepts in CLIP": {@code
   * annotations.json} maps each file of {@code images/} to its {@code true object} and its {@code
   * typographic attack label}; both may lie in {@code typographic_attack_dataset/}. Target and
   * attribute have the same names, as for {@link #typographic}.
   */
  static GroupedSet disentangling(Path dir) {
    GroupBuilder.folder(dir);
    Path inner = dir.resolve("typographic_attack_dataset");
    Path root = Files.isDirectory(inner) ? inner : dir;
    Path list = root.resolve("annotations.json");
    List<String> missing = new ArrayList<>();
    if (!Files.isRegularFile(list)) missing.add("no annotations.json");
    if (!Files.isDirectory(root.resolve("images"))) missing.add("no folder images");
    if (!missing.isEmpty()) {
      throw new InputException(
          root, "it has " + String.join(", ", missing), "Unpack the set again");
    }
    GroupBuilder builder = new GroupBuilder(list, root, GroupedSet.GroupSplit.ALL);
    TreeSet<String> words = new TreeSet<>();
    for (Map.Entry<String, JsonNode> entry : json(list).properties()) {
      String where = list + ", \"" + entry.getKey() + "\"";
      String label = words(where, entry.getValue(), "true object");
      String text = words(where, entry.getValue(), "typographic attack label");
      words.add(label);
      words.add(text);
      builder.add(where, "images/" + ImageSet.inside(where, entry.getKey()), label, text, 0);
    }
    return builder.build(List.copyOf(words), List.copyOf(words));
  }

  private static JsonNode json(Path file) {
    JsonNode node = JsonFile.tree(file, "Restore it");
    if (node.isObject()) return node;
    throw new InputException(file, "it is no JSON object", "Its keys are the images' names");
  }

  private static String words(String where, JsonNode annotation, String key) {
    JsonNode node = annotation.path(key);
    String text = node.isString() ? node.asString().strip() : "";
    if (!text.isEmpty()) return text;
    throw new InputException(where, "it has no \"" + key + "\"", "Say it, or delete the entry");
  }

  /** Whether a table says which split an image is in. */
  static boolean hasSplits(Path table) {
    try (TableRows rows = TableRows.open(table)) {
      return rows.find(SPLIT) >= 0;
    }
  }

  /**
   * A table of one's own: {@code .csv}, or {@code .tsv} with tabs, whose header names {@code file}
   * (relative to the table's folder), {@code target}, {@code attribute} and, unless all are
   * requested for, {@code split} (train, validation or val, test, or 0, 1, 2). Names are sorted and
   * are those of the whole table, so that indices agree between splits.
   */
  static GroupedSet table(Path table, GroupedSet.GroupSplit split) {
    Path folder = table.toAbsolutePath().normalize().resolveSibling("");
    GroupBuilder builder = new GroupBuilder(table, folder, split);
    TreeSet<String> targets = new TreeSet<>();
    TreeSet<String> attributes = new TreeSet<>();
    try (TableRows rows = TableRows.open(table)) {
      int file = rows.column(ImageTable.FILE.toArray(String[]::new));
      int target = rows.column("target");
      int attribute = rows.column("attribute");
      boolean parted = rows.find(SPLIT) >= 0;
      int part = parted || split != GroupedSet.GroupSplit.ALL ? rows.column("split") : -1;
      for (List<String> row = rows.next(); row != null; row = rows.next()) {
        String t = word(rows, row, target);
        String a = word(rows, row, attribute);
        targets.add(t);
        attributes.add(a);
        builder.add(
            rows,
            ImageTable.name(rows, row.get(file)),
            t,
            a,
            part < 0 ? 0 : part(rows, row.get(part)));
      }
    }
    return builder.build(new ArrayList<>(targets), new ArrayList<>(attributes));
  }

  private static String word(TableRows rows, List<String> row, int column) {
    String word = row.get(column);
    if (word.isEmpty()) {
      throw rows.wrong(rows.names().get(column) + " is empty", "Say what it is, or delete the row");
    }
    return word;
  }

  private static int part(TableRows rows, String name) {
    Integer part = PART_NAMES.get(name.toLowerCase(Locale.ROOT));
    if (part != null) return part;
    throw rows.wrong(
        "split is '" + name + "'", "It is train, validation (or val), test, or 0, 1, 2");
  }
}
