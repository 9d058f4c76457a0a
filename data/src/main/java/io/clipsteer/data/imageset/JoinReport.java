// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import io.clipsteer.data.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/**
 * How a table's rows met the images of a set, by file name. Every row is matched, unmatched or
 * repeated; every image is matched or without a row.
 *
 * @param table the table
 * @param columns which columns were taken as what
 * @param rows of the table, without its header
 * @param repeated rows of a file that an earlier row names
 * @param repeatedNames the first of these, with their lines
 * @param matched files of the table that are images of the set
 * @param empty empty label cells
 * @param unmatched files of the table that are not
 * @param unmatchedNames the first of these, with their lines
 * @param withoutRow images of the set that the table does not name
 * @param withoutRowNames the first of these
 */
public record JoinReport(
    Path table,
    String columns,
    long rows,
    long repeated,
    List<String> repeatedNames,
    long matched,
    long empty,
    long unmatched,
    List<String> unmatchedNames,
    long withoutRow,
    List<String> withoutRowNames) {
  private static final int EXAMPLES = 5;

  /**
   * A table to join.
   *
   * @param file the table
   * @param columns which columns were taken as what
   * @param rows of the table, without its header
   * @param repeated rows of a file that an earlier row names, each with its line
   * @param empty empty label cells
   * @param lines first line of each file, by {@link ImageTable#key}, in the table's order
   */
  public record TableSummary(
      Path file,
      String columns,
      long rows,
      List<String> repeated,
      long empty,
      Map<String, Integer> lines) {}

  /** Joins a table. */
  public static JoinReport of(ImageTable table, ImageSet set, Consumer<String> matched) {
    Map<String, Integer> lines = new LinkedHashMap<>();
    table.rows().forEach((key, row) -> lines.put(key, row.line()));
    boolean labels = table.columns().label() != null;
    long empty = table.rows().values().stream().filter(r -> labels && r.label() == null).count();
    List<String> repeated = table.repeated().stream().map(Listing.Skip::name).toList();
    String columns = table.columns().toString();
    return of(
        new TableSummary(table.file(), columns, table.count(), repeated, empty, lines),
        set,
        matched);
  }

  /**
   * Joins rows to all images of a set, those behind a limit too.
   *
   * @param matched takes the id of every image that has a row, in the set's order
   * @throws InputException when no row names an image of the set
   */
  public static JoinReport of(TableSummary table, ImageSet set, Consumer<String> matched) {
    Map<String, Integer> lines = table.lines;
    Set<String> met = new HashSet<>();
    List<String> without = new ArrayList<>();
    long images = 0;
    long found = 0;
    try (ImageCursor cursor = set.whole().cursor()) {
      for (ImageItem item = cursor.next(); item != null; item = cursor.next()) {
        images++;
        String key = ImageTable.key(item.id());
        if (lines.containsKey(key)) {
          found++;
          met.add(key);
          matched.accept(item.id());
        } else if (without.size() < EXAMPLES) {
          without.add(Listing.printable(item.id()));
        }
      }
    }
    List<String> none = new ArrayList<>();
    lines.forEach(
        (key, line) -> {
          if (none.size() < EXAMPLES && !met.contains(key)) {
            none.add("line " + line + " " + Listing.printable(key));
          }
        });
    if (met.isEmpty()) {
      String image = without.isEmpty() ? "" : "; an image of it is " + without.getFirst();
      throw new InputException(
          table.file,
          "none of its rows names an image of " + set.origin() + ": " + none.getFirst() + image,
          "Write the files relative to the images' folder");
    }
    return new JoinReport(
        table.file,
        table.columns,
        table.rows,
        table.repeated.size(),
        table.repeated.stream().limit(EXAMPLES).toList(),
        met.size(),
        table.empty,
        lines.size() - met.size(),
        none,
        images - found,
        without);
  }

  /** One line. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    text.append(table).append(": ").append(columns).append("; ");
    text.append(rows).append(rows == 1 ? " row: " : " rows: ").append(matched).append(" matched");
    if (repeated > 0) {
      text.append(", ").append(repeated).append(" more of the same files (");
      text.append(examples(repeatedNames, repeated)).append(')');
    }
    if (empty > 0) {
      text.append(", ")
          .append(empty)
          .append(empty == 1 ? " empty label cell" : " empty label cells");
    }
    if (unmatched > 0) {
      text.append(", ").append(unmatched).append(" without an image (");
      text.append(examples(unmatchedNames, unmatched)).append(')');
    }
    if (withoutRow > 0) {
      text.append("; ").append(withoutRow);
      text.append(withoutRow == 1 ? " image" : " images").append(" without a row (");
      text.append(examples(withoutRowNames, withoutRow)).append(')');
    }
    return text.toString();
  }

  private static String examples(List<String> names, long all) {
    return String.join(", ", names) + (all > names.size() ? " …" : "");
  }
}
