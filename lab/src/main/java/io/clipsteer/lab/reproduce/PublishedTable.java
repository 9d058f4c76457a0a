// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.reproduce;

import io.clipsteer.data.table.TableRows;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The published numbers of both papers: {@code published.csv} beside this class. */
public final class PublishedTable {
  private static final String FILE = "published.csv";

  private PublishedTable() {}

  /** The rows of a paper, in the table's order. */
  public static List<PublishedRow> of(String paper) {
    return all().stream().filter(row -> row.paper().equals(paper)).toList();
  }

  /** All rows. */
  static List<PublishedRow> all() {
    List<PublishedRow> rows = new ArrayList<>();
    Set<String> ids = new HashSet<>();
    try (TableRows table = TableRows.of(Path.of(FILE), text())) {
      for (List<String> cells = table.next(); cells != null; cells = table.next()) {
        PublishedRow row = row(table, cells);
        if (!ids.add(row.id())) throw table.wrong("the id is there twice", "Name it anew");
        rows.add(row);
      }
    }
    return List.copyOf(rows);
  }

  private static String text() {
    try (InputStream in = PublishedTable.class.getResourceAsStream(FILE)) {
      if (in == null) throw new IllegalStateException(FILE + " is not in the program");
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static PublishedRow row(TableRows table, List<String> cells) {
    String value = cell(table, cells, "value");
    String low = cell(table, cells, "low");
    String high = cell(table, cells, "high");
    String n = cell(table, cells, "n");
    String kind = cell(table, cells, "kind").toUpperCase(Locale.ROOT);
    String evidence = cell(table, cells, "evidence").toUpperCase(Locale.ROOT);
    PublishedRow row =
        new PublishedRow(
            cell(table, cells, "id"),
            cell(table, cells, "paper"),
            cell(table, cells, "place"),
            cell(table, cells, "what"),
            PublishedRow.NumberKind.valueOf(kind),
            number(value),
            number(low),
            number(high),
            n.isEmpty() ? null : Integer.valueOf(n),
            value.isEmpty() ? 0 : new BigDecimal(value).ulp().doubleValue(),
            margin(cell(table, cells, "margin"), number(value), number(low)),
            PublishedRow.Evidence.valueOf(evidence),
            cell(table, cells, "stage"),
            cell(table, cells, "figure"),
            cell(table, cells, "reason"));
    if (!row.isMeasured() && row.reason().isEmpty()) {
      throw table.wrong("it has neither a stage nor a reason", "Complete it");
    }
    return row;
  }

  private static String cell(TableRows table, List<String> cells, String column) {
    return cells.get(table.column(column));
  }

  private static @Nullable Double number(String text) {
    return text.isEmpty() ? null : Double.valueOf(text);
  }

  /** A number, or a percentage of the value (of a range: of its lower end). */
  private static double margin(String text, @Nullable Double value, @Nullable Double low) {
    if (text.isEmpty()) return 0;
    if (!text.endsWith("%")) return Double.parseDouble(text);
    Double of = value == null ? low : value;
    if (of == null) throw new IllegalStateException("a percentage of nothing");
    return Double.parseDouble(text.substring(0, text.length() - 1)) / 100 * Math.abs(of);
  }
}
