// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.table;

import io.clipsteer.data.InputException;
import io.clipsteer.data.TextFile;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A table that a user wrote, read row by row. Text as {@link TextFile} reads it. Cells are parted
 * by commas in a {@code .csv}, by tabs in a {@code .tsv} or {@code .tab}; in a file of any other
 * ending by what its first line holds: tabs, else commas, else blanks. Quotes work in both as in
 * RFC 4180 (spreadsheets and pandas quote in tab-separated files, too). Blanks around a cell are
 * not part of it; rows without a character are passed over. Every row has as many cells as the
 * header has columns. Every fault names the file and the line.
 */
public final class TableRows implements AutoCloseable {
  /** Longest first line that is searched for its separator. */
  private static final int MAX_PEEK = 1 << 16;

  /** Characters of a row that a message repeats. */
  private static final int SHOWN = 120;

  private final Path file;
  private final BufferedReader reader;
  private final CsvReader rows;
  private final char separator;
  private List<String> names = List.of();
  private boolean headed;
  private long count;

  private TableRows(Path file, BufferedReader reader, char separator) {
    this.file = file;
    this.reader = reader;
    this.separator = separator;
    rows = new CsvReader(file, reader, separator);
  }

  /**
   * Opens a table whose first row names the columns.
   *
   * @throws InputException when there is no such file or it is not text; when there is no header,
   *     two of its columns have the same name, or another separator than the ending's parts it
   */
  public static TableRows open(Path file) {
    BufferedReader reader = TextFile.reader(file);
    try {
      TableRows table = new TableRows(file, reader, separator(file, reader));
      table.header();
      return table;
    } catch (RuntimeException e) {
      throw closed(reader, e);
    }
  }

  /**
   * Reads a table with a header from text, as {@link #open(Path)} does.
   *
   * @param name of the text, for messages; its ending says how cells are parted
   */
  public static TableRows of(Path name, String text) {
    BufferedReader reader = new BufferedReader(new StringReader(text));
    TableRows table = new TableRows(name, reader, separator(name, reader));
    table.header();
    return table;
  }

  /** Opens a list whose first rows the caller reads; a {@code .txt} has blanks between cells. */
  public static TableRows list(Path file) {
    BufferedReader reader = TextFile.reader(file);
    try {
      boolean blanks = ending(file).equals("txt");
      return new TableRows(file, reader, blanks ? CsvReader.BLANKS : separator(file, reader));
    } catch (RuntimeException e) {
      throw closed(reader, e);
    }
  }

  private static RuntimeException closed(BufferedReader reader, RuntimeException cause) {
    try {
      reader.close();
    } catch (IOException e) {
      cause.addSuppressed(e);
    }
    return cause;
  }

  private static String ending(Path file) {
    String name = (file.getFileName() + "").toLowerCase(Locale.ROOT);
    return name.substring(name.lastIndexOf('.') + 1);
  }

  private static char separator(Path file, BufferedReader reader) {
    String ending = ending(file);
    if (ending.equals("csv")) return ',';
    if (ending.equals("tsv") || ending.equals("tab")) return '\t';
    try {
      reader.mark(MAX_PEEK);
      StringBuilder line = new StringBuilder();
      int c = reader.read();
      while (c != -1 && !(c == '\n' || c == '\r') && line.length() < MAX_PEEK - 1) {
        line.append((char) c);
        c = reader.read();
      }
      reader.reset();
      if (line.indexOf("\t") >= 0) return '\t';
      return line.indexOf(",") >= 0 || line.indexOf(" ") < 0 ? ',' : CsvReader.BLANKS;
    } catch (IOException e) {
      throw TextFile.unreadable(file, e);
    }
  }

  private void header() {
    List<String> row = raw();
    if (row == null) {
      throw new InputException(file, "the table is empty", "Its first line names the columns");
    }
    String only = row.getFirst();
    for (char other : new char[] {';', '\t', ',', '|'}) {
      if (row.size() > 1 || other == separator || only.indexOf(other) < 0) continue;
      throw wrong(
          "its cells are parted by " + word(other) + ", not by " + word(separator),
          "Save it with commas as .csv, or with tabs as .tsv");
    }
    names(row);
    headed = true;
  }

  private static String word(char separator) {
    return switch (separator) {
      case ',' -> "commas";
      case '\t' -> "tabs";
      case CsvReader.BLANKS -> "blanks";
      default -> "'" + separator + "'";
    };
  }

  /** Whether cells are parted by blanks, as in CelebA's own lists. */
  public boolean blanks() {
    return separator == CsvReader.BLANKS;
  }

  private @Nullable List<String> raw() {
    try {
      List<String> row = rows.next();
      if (row == null) return null;
      for (String cell : row) {
        if (TextFile.isBroken(cell)) {
          throw wrong("it is not UTF-8 text", "Save the table as UTF-8");
        }
      }
      return row;
    } catch (IOException e) {
      throw TextFile.unreadable(file, e);
    }
  }

  /** The next row, which must be there, of any number of cells. */
  public List<String> first() {
    List<String> row = raw();
    if (row == null) throw wrong("the table ends here", "Its first lines say what it holds");
    return row;
  }

  /**
   * Says how the columns are called; every further row has as many.
   *
   * @throws InputException when two have the same name; capital letters do not matter
   */
  public void names(List<String> columns) {
    names = List.copyOf(columns);
    Set<String> seen = new HashSet<>();
    for (String name : names) {
      if (!name.isEmpty() && !seen.add(name.toLowerCase(Locale.ROOT))) {
        throw wrong("two columns are called " + name, "Rename or delete one");
      }
    }
  }

  /** How the columns are called; a column without a name has an empty one. */
  public List<String> names() {
    return names;
  }

  /** The first of these names that a column has, whatever its capital letters; else −1. */
  public int find(List<String> choice) {
    for (String name : choice) {
      for (int i = 0; i < names.size(); i++) if (names.get(i).equalsIgnoreCase(name)) return i;
    }
    return -1;
  }

  /**
   * Which column is called so, or as the first of these that is there.
   *
   * @throws InputException when none is
   */
  public int column(String... choice) {
    int column = find(List.of(choice));
    if (column < 0) {
      throw wrong(
          "no column is called " + String.join(", ", choice),
          "The first line names the columns; it has: " + String.join(", ", names));
    }
    return column;
  }

  /**
   * The next row, or null at the end.
   *
   * @throws InputException when it has not as many cells as there are columns; when there is no row
   *     at all
   */
  public @Nullable List<String> next() {
    List<String> row = raw();
    if (row == null) {
      if (headed && count == 0) {
        throw new InputException(file, "it has a header and no row", "Fill the table");
      }
      return null;
    }
    if (row.size() != names.size()) {
      String cells = String.join(" | ", row);
      throw wrong(
          "it has %d %s for %d columns: %s"
              .formatted(
                  row.size(),
                  row.size() == 1 ? "cell" : "cells",
                  names.size(),
                  cells.length() > SHOWN ? cells.substring(0, SHOWN) + "…" : cells),
          "Put cells that hold a separator in quotes; complete or delete the row");
    }
    count++;
    return row;
  }

  /** Rows read so far, without the header. */
  public long count() {
    return count;
  }

  /** Where in {@code values} the cell's value is. */
  public int code(List<String> row, int column, List<String> values) {
    int code = values.indexOf(row.get(column));
    if (code < 0) {
      throw wrong(
          names.get(column) + " is '" + row.get(column) + "'",
          "It is one of " + String.join(", ", values));
    }
    return code;
  }

  /** A fault in the row read last. */
  public InputException wrong(String what, String remedy) {
    return new InputException(this, what, remedy);
  }

  /** The line on which the row read last began, from 1. */
  public int line() {
    return rows.line();
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
      throw TextFile.unreadable(file, e);
    }
  }
}
