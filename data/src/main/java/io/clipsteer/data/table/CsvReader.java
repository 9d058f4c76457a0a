// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.table;

import io.clipsteer.data.InputException;
import io.clipsteer.data.TextFile;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Rows of separated cells, quoted as in RFC 4180: a cell that starts with {@code "} ends with one,
 * {@code ""} inside it stands for one, and it may hold separators and line ends. A quote elsewhere
 * in a cell is a character like any other. LF, CRLF and CR end a row. Blanks around a cell and
 * around its quotes are not part of it. Rows that have no character in any cell are passed over.
 */
final class CsvReader {
  /** Separator of lists without quotes, whose cells any number of blanks part. */
  static final char BLANKS = ' ';

  private static final int MAX_ROW_CHARS = 1 << 20;
  private static final int NOTHING = -2;

  private final Path file;
  private final Reader in;
  private final char separator;
  private int ahead = NOTHING;
  private int line = 1;
  private int rowLine = 1;

  CsvReader(Path file, Reader in, char separator) {
    this.file = file;
    this.in = in;
    this.separator = separator;
  }

  /** The line on which the last row began, from 1. */
  int line() {
    return rowLine;
  }

  /** The next character; every line end arrives as LF. */
  private int read() throws IOException {
    int c = ahead == NOTHING ? in.read() : ahead;
    ahead = NOTHING;
    if (c == '\r') {
      ahead = in.read();
      if (ahead == '\n') ahead = NOTHING;
      c = '\n';
    }
    if (c == '\n') line++;
    return c;
  }

  private int peek() throws IOException {
    if (ahead == NOTHING) ahead = in.read();
    return ahead;
  }

  /** The next row that holds something, or null at the end. */
  @Nullable List<String> next() throws IOException {
    while (peek() != -1) {
      rowLine = line;
      List<String> row = row();
      for (String cell : row) if (!cell.isEmpty()) return row;
    }
    return null;
  }

  private List<String> row() throws IOException {
    List<String> cells = new ArrayList<>();
    StringBuilder cell = new StringBuilder();
    boolean closed = false;
    int total = 0;
    while (true) {
      if (++total > MAX_ROW_CHARS) throw endless();
      int c = read();
      boolean blank = c == ' ' || c == '\t';
      if (c == '\n' || c == -1 || c == separator || (blank && separator == BLANKS)) {
        String text = TextFile.strip(cell.toString());
        if (separator != BLANKS || !text.isEmpty()) cells.add(text);
        cell.setLength(0);
        closed = false;
        if (c == '\n' || c == -1) return cells;
      } else if (closed) {
        if (!blank) throw wrong("text follows a closing quote", "Write \"\" for a quote in a cell");
      } else if (c == '"' && separator != BLANKS && cell.toString().isBlank()) {
        cell.setLength(0);
        total += quoted(cell);
        closed = true;
      } else {
        cell.append((char) c);
      }
    }
  }

  private int quoted(StringBuilder cell) throws IOException {
    int opened = line;
    while (true) {
      int c = read();
      if (c == -1) {
        throw wrong("the quote opened on line " + opened + " does not close", "Close or delete it");
      }
      if (c == '"') {
        if (peek() != '"') return cell.length();
        read();
      }
      if (cell.length() > MAX_ROW_CHARS) throw endless();
      cell.append((char) c);
    }
  }

  private InputException endless() {
    return wrong("it has over " + MAX_ROW_CHARS + " characters", "Look for a quote left open");
  }

  private InputException wrong(String what, String remedy) {
    return new InputException(file + ", line " + rowLine, what, remedy);
  }
}
