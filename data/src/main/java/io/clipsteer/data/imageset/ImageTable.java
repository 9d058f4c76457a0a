// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import io.clipsteer.data.InputException;
import io.clipsteer.data.table.TableRows;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A table that names image files, one a row, and a label for each or none. A row that repeats an
 * earlier row's file is skipped; an empty cell is no label.
 *
 * @param file the table
 * @param columns which of its columns are read
 * @param rows by {@link #key} of the file, in the table's order
 * @param count rows of the table without its header: those here and those that repeat one
 * @param repeated the rows that were skipped
 */
public record ImageTable(
    Path file,
    Columns columns,
    Map<String, TableRow> rows,
    long count,
    List<Listing.Skip> repeated) {
  /** Names of the column that has the file, the first that is there is taken. */
  public static final List<String> FILE =
      List.of("file", "path", "filename", "file_name", "filepath", "image", "image_path");

  /** Names of the column that has the label, likewise. */
  public static final List<String> LABEL = List.of("label", "index", "class");

  /**
   * The columns that are read.
   *
   * @param file name of the column with the files
   * @param label name of the one with the labels, or null where there is none
   * @param unused names of all others
   */
  public record Columns(String file, @Nullable String label, List<String> unused) {
    /** What is taken as what. */
    @Override
    public String toString() {
      return "column "
          + file
          + " as the file, "
          + (label == null ? "none as the label" : label + " as the label")
          + (unused.isEmpty() ? "" : "; not used: " + String.join(", ", unused));
    }
  }

  /**
   * A row.
   *
   * @param name the file as {@code /}-separated path
   * @param label null where the cell is empty or there is no such column
   * @param line its first line, from 1
   */
  public record TableRow(String name, @Nullable String label, int line) {}

  /**
   * Reads a table.
   *
   * @param labels names of the label's column; the first that is there is taken
   * @throws InputException when it is no such table, names a file outside its folder, or gives one
   *     file two labels
   */
  public static ImageTable read(Path table, List<String> labels) {
    Map<String, TableRow> rows = new LinkedHashMap<>();
    List<Listing.Skip> repeated = new ArrayList<>();
    try (TableRows cells = TableRows.open(table)) {
      int file = cells.column(FILE.toArray(String[]::new));
      int label = cells.find(labels);
      for (List<String> row = cells.next(); row != null; row = cells.next()) {
        String name = name(cells, row.get(file));
        String text = label < 0 ? "" : row.get(label).intern();
        TableRow one = new TableRow(name, text.isEmpty() ? null : text, cells.line());
        TableRow before = rows.putIfAbsent(key(name), one);
        if (before == null) continue;
        repeated.add(
            new Listing.Skip(
                "line " + one.line + " (" + name + ")",
                "it repeats the file of line " + before.line));
        if (before.label == null) {
          rows.put(key(name), new TableRow(before.name, one.label, before.line));
        } else if (one.label != null && !one.label.equals(before.label)) {
          throw cells.wrong(
              "it labels '%s' \"%s\", but line %d labels it \"%s\""
                  .formatted(name, one.label, before.line, before.label),
              "Correct or delete one of the two lines");
        }
      }
      return new ImageTable(table, columns(cells, file, label), rows, cells.count(), repeated);
    }
  }

  private static Columns columns(TableRows cells, int file, int label) {
    List<String> unused = new ArrayList<>();
    for (int c = 0; c < cells.names().size(); c++) {
      String name = cells.names().get(c);
      if (c != file && c != label) unused.add(name.isEmpty() ? "column " + (c + 1) : name);
    }
    return new Columns(
        cells.names().get(file), label < 0 ? null : cells.names().get(label), unused);
  }

  /** A cell as a path below the set's folder, with {@code /} between its parts. */
  static String name(Object where, String cell) {
    if (cell.isEmpty()) {
      throw new InputException(where, "it names no file", "Complete or delete the row");
    }
    String name = plain(ImageSet.inside(where, cell));
    try {
      if (!Path.of(name).toString().isEmpty()) return name;
    } catch (InvalidPathException e) {
      throw new InputException(where, "'" + cell + "' is no file name", "Correct the table", e);
    }
    throw new InputException(where, "'" + cell + "' is no file name", "Correct the table");
  }

  private static String plain(String name) {
    String closed = "/" + name + "/";
    if (name.indexOf('\\') < 0 && !closed.contains("//") && !closed.contains("/./")) return name;
    List<String> parts = new ArrayList<>();
    for (String part : name.split("[/\\\\]", -1)) {
      if (!part.isEmpty() && !part.equals(".")) parts.add(part);
    }
    return String.join("/", parts);
  }

  /**
   * What a table's file and an image's id are compared by: {@code ./} and doubled separators do not
   * matter, a backslash is a separator, and letters with marks are equal however they are composed.
   */
  public static String key(String name) {
    return Normalizer.normalize(plain(name), Normalizer.Form.NFC);
  }

  /** A folder's images that this table names, with its labels, in its order. */
  public record Joined(ImageSet images, JoinReport report) {}

  /**
   * Joins this table to the images of a folder.
   *
   * @throws InputException when the set is no folder, or no row names an image of it
   */
  public Joined join(ImageSet folder) {
    if (!(folder.whole() instanceof FileSet all)) {
      throw new InputException(
          folder.origin(), "it is no folder to join a table to", "Give the folder of the images");
    }
    Map<String, String> ids = new HashMap<>();
    JoinReport report = JoinReport.of(this, all, id -> ids.put(key(id), id));
    List<FileSet.Listed> files = new ArrayList<>(ids.size());
    rows.forEach(
        (key, row) -> {
          String id = ids.get(key);
          if (id != null) files.add(new FileSet.Listed(id, row.label));
        });
    return new Joined(
        new FileSet(file, all.folder(), files, all.listing().of(files.size())), report);
  }

  /** The files as a set, below {@code folder}. */
  FileSet set(Path folder) {
    Listing.ListingBuilder listing = new Listing.ListingBuilder();
    for (Listing.Skip skip : repeated) {
      listing.name("repeated row", skip.name() + ", " + skip.reason());
    }
    if (!columns.unused.isEmpty()) listing.note("takes " + columns);
    long empty = rows.values().stream().filter(row -> row.label == null).count();
    if (columns.label != null && empty > 0) {
      listing.note(empty + (empty == 1 ? " image has" : " images have") + " an empty label cell");
    }
    List<FileSet.Listed> files = new ArrayList<>(rows.size());
    for (TableRow row : rows.values()) files.add(new FileSet.Listed(row.name, row.label));
    return new FileSet(file, folder, files, listing.build(files.size()));
  }
}
