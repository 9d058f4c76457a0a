// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import java.io.IOException;
import java.io.Reader;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Rows of a CSV (RFC 4180, quoted cells) or of a TSV (no quoting). Empty lines are passed over. */
final class CsvReader {
  private static final int MAX_ROW_CHARS = 1 << 20;

  private final Reader in;
  private final char separator;
  private int ahead = -2;
  private int line = 1;
  private int rowLine = 1;

  CsvReader(Reader in, char separator) {
    this.in = in;
    this.separator = separator;
  }

  /** The line on which the last row began, from 1. */
  int line() {
    return rowLine;
  }

  private int read() throws IOException {
    int c = ahead == -2 ? in.read() : ahead;
    ahead = -2;
    if (c == '\n') line++;
    return c;
  }

  private int peek() throws IOException {
    if (ahead == -2) ahead = in.read();
    return ahead;
  }

  /** The next row, or null at the end. */
  @Nullable List<String> next() throws IOException {
    while (true) {
      if (peek() == -1) return null;
      rowLine = line;
      List<String> row = row();
      if (row.size() > 1 || !row.get(0).isEmpty()) return row;
    }
  }

  private List<String> row() throws IOException {
    List<String> cells = new ArrayList<>();
    StringBuilder cell = new StringBuilder();
    int total = 0;
    while (true) {
      if (++total > MAX_ROW_CHARS) throw new IOException("line " + rowLine + " does not end");
      int c = read();
      if (c == '"' && separator == ',' && cell.isEmpty()) {
        total += quoted(cell);
        continue;
      }
      if (c == '\r' && (peek() == '\n' || peek() == -1)) continue;
      if (c == separator || c == '\n' || c == -1) {
        cells.add(cell.toString());
        cell.setLength(0);
        if (c != separator) return cells;
      } else {
        cell.append((char) c);
      }
    }
  }

  private int quoted(StringBuilder cell) throws IOException {
    while (true) {
      int c = read();
      if (c == -1) throw new IOException("the quote opened on line " + rowLine + " does not close");
      if (c == '"') {
        if (peek() != '"') return cell.length();
        read();
      }
      if (cell.length() > MAX_ROW_CHARS) throw new IOException("line " + rowLine + " does not end");
      cell.append((char) c);
    }
  }
}
