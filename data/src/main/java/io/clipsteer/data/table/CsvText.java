// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.table;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Writes rows of cells separated by commas, as {@link TableRows} reads them (RFC 4180). A cell is
 * quoted only where it holds a comma, a quote or a line end; LF ends each row.
 */
public final class CsvText {
  private final StringBuilder text = new StringBuilder();

  /** A table with a header. */
  public CsvText(List<String> columns) {
    row(columns);
  }

  /** A table with a header. */
  public CsvText(String... columns) {
    this(List.of(columns));
  }

  /** Adds a row; null is an empty cell. */
  public void row(@Nullable Object... cells) {
    row(Arrays.asList(cells));
  }

  /** Adds a row; null is an empty cell. */
  public void row(List<? extends @Nullable Object> cells) {
    text.append(cells.stream().map(CsvText::quoted).collect(Collectors.joining(","))).append('\n');
  }

  private static String quoted(@Nullable Object cell) {
    String text = cell == null ? "" : cell.toString();
    boolean plain = text.chars().noneMatch(c -> c == ',' || c == '"' || c == '\n' || c == '\r');
    return plain ? text : '"' + text.replace("\"", "\"\"") + '"';
  }

  /** The header and all rows. */
  @Override
  public String toString() {
    return text.toString();
  }
}
