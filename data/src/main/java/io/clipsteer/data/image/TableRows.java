// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.StringTokenizer;
import org.jspecify.annotations.Nullable;

/**
 * A picture set's table, read row by row: {@code .txt} with spaces or tabs between the cells,
 * {@code .tsv} with tabs, all else as CSV. Every fault names the file and the line.
 */
final class TableRows implements AutoCloseable {
  private final Path file;
  private final BufferedReader reader;
  private final CsvReader rows;
  private final boolean blanks;
  private boolean begun;
  private List<String> names = List.of();

  TableRows(Path file) {
    this.file = file;
    String name = (file.getFileName() + "").toLowerCase(Locale.ROOT);
    blanks = name.endsWith(".txt");
    try {
      // Lenient, so that bytes that are no UTF-8 arrive as U+FFFD in the row that holds them.
      var decoded = new InputStreamReader(Files.newInputStream(file), StandardCharsets.UTF_8);
      reader = new BufferedReader(decoded, 1 << 16);
    } catch (IOException e) {
      throw unreadable(e);
    }
    rows = new CsvReader(reader, blanks ? ' ' : name.endsWith(".tsv") ? '\t' : ',');
  }

  private InputException unreadable(IOException e) {
    boolean absent = !Files.exists(file);
    return new InputException(
        file,
        absent ? "there is no such file" : "cannot be read: " + Reasons.of(e),
        absent ? "Check the path and that the set is complete" : "It must be UTF-8 text",
        e);
  }

  /** Whether cells are parted by blanks, as in CelebA's own lists. */
  boolean blanks() {
    return blanks;
  }

  /** The next row as it is, or null at the end. */
  private @Nullable List<String> raw() {
    try {
      List<String> row = rows.next();
      while (row != null && blanks) {
        row = tokens(row);
        if (!row.isEmpty()) break;
        row = rows.next();
      }
      if (row == null) return null;
      for (String cell : row) {
        if (cell.indexOf('\uFFFD') >= 0) {
          throw wrong("it is not UTF-8 text", "Save the table as UTF-8");
        }
      }
      if (!begun && row.getFirst().startsWith("\uFEFF")) {
        row = new ArrayList<>(row);
        row.set(0, row.getFirst().substring(1));
      }
      begun = true;
      return row;
    } catch (IOException e) {
      throw unreadable(e);
    }
  }

  private static List<String> tokens(List<String> cells) {
    List<String> tokens = new ArrayList<>(cells.size());
    for (String cell : cells) {
      if (cell.isEmpty()) continue;
      StringTokenizer parts = new StringTokenizer(cell);
      while (parts.hasMoreTokens()) tokens.add(parts.nextToken());
    }
    return tokens;
  }

  /** The next row, which must be there. */
  List<String> first() {
    List<String> row = raw();
    if (row == null) throw wrong("the table ends here", "Its first lines say what it holds");
    return row;
  }

  /** Says how the columns are called; every further row has as many. */
  void names(List<String> columns) {
    names = columns.stream().map(String::strip).toList();
  }

  /** How the columns are called. */
  List<String> names() {
    return names;
  }

  /** Which column is called so. */
  int column(String name) {
    int column = -1;
    for (int i = 0; i < names.size(); i++) {
      if (!names.get(i).equalsIgnoreCase(name)) continue;
      if (column >= 0) throw wrong("two columns are called " + name, "Rename or delete one");
      column = i;
    }
    if (column < 0) {
      throw wrong("no column is called " + name, "It has: " + String.join(", ", names));
    }
    return column;
  }

  /** The next row, or null at the end. */
  @Nullable List<String> next() {
    List<String> row = raw();
    if (row != null && row.size() != names.size()) {
      throw wrong(
          "it has " + row.size() + " columns instead of " + names.size(), "Complete or delete it");
    }
    return row;
  }

  /** Where in {@code values} the cell's value is. */
  int code(List<String> row, int column, List<String> values) {
    String value = row.get(column).strip();
    int code = values.indexOf(value);
    if (code < 0) {
      throw wrong(
          names.get(column) + " is '" + value + "'", "It is one of " + String.join(", ", values));
    }
    return code;
  }

  /** A fault in the row read last. */
  InputException wrong(String what, String remedy) {
    return new InputException(this, what, remedy);
  }

  /** The file and the line of the row read last, for messages. */
  @Override
  public String toString() {
    return file + ", line " + rows.line();
  }

  @Override
  public void close() {
    try {
      reader.close();
    } catch (IOException e) {
      throw unreadable(e);
    }
  }
}
