// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import io.clipsteer.data.InputException;
import io.clipsteer.data.table.TableRows;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** CelebA as its authors and as Kaggle give it out. */
final class CelebaLayout {
  private static final List<String> SIGNS = List.of("-1", "1");
  private static final List<String> PARTS = List.of("0", "1", "2");
  private static final String ID = "image_id";
  private static final String IMAGES = "img_align_celeba";
  private static final String ATTRIBUTES = "list_attr_celeba";
  private static final String PARTITION = "list_eval_partition";

  private CelebaLayout() {}

  /**
   * CelebA with any two of its columns. Of both, index 0 stands for -1 and index 1 for 1, and the
   * names are the column's, underscores made spaces, with "not" before the first; {@code Male} and
   * {@code Blond_Hair} have names of their own.
   *
   * <p>Layout of the authors (mmlab.ie.cuhk.edu.hk/projects/CelebA.html): {@code
   * list_attr_celeba.txt} (number of images; column names; then name and -1 or 1 for each column),
   * {@code list_eval_partition.txt} (name and 0, 1, 2; not read for {@link
   * GroupedSet.GroupSplit#ALL}), images in {@code img_align_celeba}; or in their subfolders {@code
   * Anno}, {@code Eval}, {@code Img}. Kaggle's copy has {@code .csv} lists with a header and the
   * folder of images once more inside itself.
   */
  static GroupedSet read(Path dir, String target, String attribute, GroupedSet.GroupSplit split) {
    if (target.equalsIgnoreCase(attribute)) {
      throw new InputException(
          target, "it is both the target and the attribute", "Choose two different columns");
    }
    GroupBuilder.folder(dir);
    boolean all = split == GroupedSet.GroupSplit.ALL;
    requireComplete(dir, all);
    Path list = list(dir, ATTRIBUTES);
    String images = images(dir);
    Map<String, Integer> parts = all ? Map.of() : parts(list(dir, PARTITION));
    GroupBuilder builder = new GroupBuilder(list, dir, split);
    try (TableRows rows = TableRows.list(list)) {
      long count = rows.blanks() ? count(rows) : -1;
      rows.names(header(rows));
      int id = rows.column(ID);
      int targetColumn = rows.column(target);
      int attributeColumn = rows.column(attribute);
      List<String> targets = values(rows.names().get(targetColumn));
      List<String> attributes = values(rows.names().get(attributeColumn));
      long read = 0;
      for (List<String> row = rows.next(); row != null; row = rows.next(), read++) {
        String name = row.get(id);
        Integer part = all ? Integer.valueOf(0) : parts.get(name);
        if (part == null) {
          throw rows.wrong(
              "'" + name + "' is in no split", "Add it to list_eval_partition, or delete the line");
        }
        int t = rows.code(row, targetColumn, SIGNS);
        int a = rows.code(row, attributeColumn, SIGNS);
        ImageSet.inside(rows, name);
        builder.add(rows, images + "/" + name, targets.get(t), attributes.get(a), part);
      }
      if (count >= 0 && count != read) {
        throw new InputException(
            list + ", line 1",
            "it announces " + count + " images, but " + read + " follow",
            "Fetch the file again or correct the number");
      }
      // All names differ and each has a split, so fewer of them than splits means that some lack.
      if (!all && read < parts.size()) {
        throw new InputException(
            list,
            "it lists " + read + " images, but list_eval_partition " + parts.size(),
            "Fetch both files again");
      }
      return builder.build(targets, attributes);
    }
  }

  /** Names everything that lacks in one message. */
  private static void requireComplete(Path dir, boolean all) {
    List<String> missing = new ArrayList<>();
    for (String name : all ? List.of(ATTRIBUTES) : List.of(ATTRIBUTES, PARTITION)) {
      if (find(dir, name) == null) missing.add("neither " + name + ".txt nor " + name + ".csv");
    }
    if (findImages(dir) == null) missing.add("no folder " + IMAGES);
    if (missing.isEmpty()) return;
    throw new InputException(
        dir, "it has " + String.join(", ", missing), "Copy or unpack them there from CelebA");
  }

  private static @Nullable Path find(Path dir, String name) {
    for (String place : List.of("", "Anno", "Eval")) {
      for (String ending : List.of(".txt", ".csv")) {
        Path file = dir.resolve(place).resolve(name + ending);
        if (Files.isRegularFile(file)) return file;
      }
    }
    return null;
  }

  private static Path list(Path dir, String name) {
    return Objects.requireNonNull(find(dir, name));
  }

  private static @Nullable String findImages(Path dir) {
    List<String> places = List.of(IMAGES + "/" + IMAGES, IMAGES, "Img/" + IMAGES);
    for (String place : places) {
      if (Files.isDirectory(dir.resolve(place))) return place;
    }
    return null;
  }

  private static String images(Path dir) {
    return Objects.requireNonNull(findImages(dir));
  }

  private static long count(TableRows rows) {
    List<String> row = rows.first();
    if (row.size() != 1 || !row.getFirst().matches("[0-9]{1,9}")) {
      throw rows.wrong("it is no number of images", "The first line is a whole number");
    }
    return Long.parseLong(row.getFirst());
  }

  /** CelebA's own list does not name its first column. */
  private static List<String> header(TableRows rows) {
    List<String> names = new ArrayList<>(rows.first());
    if (rows.blanks()) names.addFirst(ID);
    return names;
  }

  private static Map<String, Integer> parts(Path list) {
    Map<String, Integer> parts = new LinkedHashMap<>();
    try (TableRows rows = TableRows.list(list)) {
      rows.names(rows.blanks() ? List.of(ID, "partition") : rows.first());
      int id = rows.column(ID);
      int partition = rows.column("partition");
      for (List<String> row = rows.next(); row != null; row = rows.next()) {
        if (parts.put(row.get(id), rows.code(row, partition, PARTS)) != null) {
          throw rows.wrong("it names '" + row.get(id) + "' again", "List each image once");
        }
      }
    }
    return parts;
  }

  /** What -1 and 1 mean in a column, in words. */
  private static List<String> values(String column) {
    String name = column.replace('_', ' ');
    return switch (column.toLowerCase(Locale.ROOT)) {
      case "male" -> List.of("woman", "man");
      case "blond_hair" -> List.of("not blond", "blond");
      default -> List.of("not " + name, name);
    };
  }
}
