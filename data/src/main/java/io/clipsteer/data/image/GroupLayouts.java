// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import io.clipsteer.data.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Waterbirds, typographic folders and plain tables as {@link GroupedSet}s. */
final class GroupLayouts {
  private static final List<String> BINARY = List.of("0", "1");
  private static final List<String> PARTS = List.of("0", "1", "2");
  private static final Map<String, Integer> PART_NAMES =
      Map.of("train", 0, "validation", 1, "val", 1, "test", 2, "0", 0, "1", 1, "2", 2);
  private static final Pattern TYPOGRAPHIC =
      Pattern.compile("label=([^_=]+)_text=([^_=]+)(?:_[^_=]+=[^_=]*+|_[0-9]++)*+");

  private GroupLayouts() {}

  static GroupedSet waterbirds(Path dir, GroupedSet.Split split) {
    List<String> targets = List.of("landbird", "waterbird");
    List<String> attributes = List.of("land", "water");
    Path list = GroupBuilder.folder(dir).resolve("metadata.csv");
    GroupBuilder builder = new GroupBuilder(list, dir, split);
    try (TableRows rows = new TableRows(list)) {
      rows.names(rows.first());
      int file = rows.column("img_filename");
      int y = rows.column("y");
      int place = rows.column("place");
      int part = rows.column("split");
      for (List<String> row = rows.next(); row != null; row = rows.next()) {
        String target = targets.get(rows.code(row, y, BINARY));
        String attribute = attributes.get(rows.code(row, place, BINARY));
        builder.add(rows, row.get(file), target, attribute, rows.code(row, part, PARTS));
      }
    }
    return builder.build(targets, attributes);
  }

  static GroupedSet typographic(Path dir) {
    GroupBuilder builder = new GroupBuilder(GroupBuilder.folder(dir), dir, GroupedSet.Split.ALL);
    TreeSet<String> words = new TreeSet<>();
    try (ImageCursor files = ImageSet.folder(dir).cursor()) {
      for (ImageItem file = files.next(); file != null; file = files.next()) {
        String name = file.id().substring(file.id().lastIndexOf('/') + 1);
        Matcher parts = TYPOGRAPHIC.matcher(name.substring(0, name.lastIndexOf('.')));
        boolean fits = parts.matches();
        String label = fits ? parts.group(1).strip() : "";
        String text = fits ? parts.group(2).strip() : "";
        if (label.isEmpty() || text.isEmpty()) {
          throw new InputException(
              dir.resolve(file.id()),
              "its name does not say what is seen and what is written",
              "Call it as in label=ice cream_text=cat.png or label=dog_text=cat_0012.png");
        }
        words.add(label);
        words.add(text);
        builder.add(dir, file.id(), label, text, 0);
      }
    }
    return builder.build(List.copyOf(words), List.copyOf(words));
  }

  static GroupedSet table(Path table, GroupedSet.Split split) {
    Path folder = table.toAbsolutePath().normalize().resolveSibling("");
    GroupBuilder builder = new GroupBuilder(table, folder, split);
    TreeSet<String> targets = new TreeSet<>();
    TreeSet<String> attributes = new TreeSet<>();
    try (TableRows rows = new TableRows(table)) {
      rows.names(rows.first());
      int file = rows.column("file");
      int target = rows.column("target");
      int attribute = rows.column("attribute");
      boolean parted = rows.names().stream().anyMatch("split"::equalsIgnoreCase);
      int part = parted || split != GroupedSet.Split.ALL ? rows.column("split") : -1;
      for (List<String> row = rows.next(); row != null; row = rows.next()) {
        String t = word(rows, row, target);
        String a = word(rows, row, attribute);
        targets.add(t);
        attributes.add(a);
        builder.add(rows, row.get(file), t, a, part < 0 ? 0 : part(rows, row.get(part)));
      }
    }
    return builder.build(new ArrayList<>(targets), new ArrayList<>(attributes));
  }

  private static String word(TableRows rows, List<String> row, int column) {
    String word = row.get(column).strip();
    if (word.isEmpty()) {
      throw rows.wrong(rows.names().get(column) + " is empty", "Say what it is, or delete the row");
    }
    return word;
  }

  private static int part(TableRows rows, String name) {
    Integer part = PART_NAMES.get(name.strip().toLowerCase(Locale.ROOT));
    if (part != null) return part;
    throw rows.wrong(
        "split is '" + name + "'", "It is train, validation (or val), test, or 0, 1, 2");
  }
}
