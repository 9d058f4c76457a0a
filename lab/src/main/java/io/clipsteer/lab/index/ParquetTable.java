// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.InputException;
import java.nio.file.Path;
import java.sql.Blob;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Reads and writes Parquet files for the other packages, which need not know DuckDB. */
public final class ParquetTable {
  private ParquetTable() {}

  /**
   * Writes {@code name.parquet} into {@code folder}, whole or not at all.
   *
   * @param columns as in CREATE TABLE
   * @param rows cells: null, text, Integer or Float
   */
  public static void write(
      Path folder, String name, String columns, List<List<@Nullable Object>> rows) {
    try (DuckTables tables = new DuckTables(folder)) {
      tables.write(
          name,
          columns,
          appender -> {
            for (List<@Nullable Object> row : rows) {
              appender.beginRow();
              for (Object cell : row) {
                switch (cell) {
                  case null -> appender.appendNull();
                  case Integer whole -> appender.append(whole.intValue());
                  case Float number -> appender.append(number.floatValue());
                  default -> appender.append(cell.toString());
                }
              }
              appender.endRow();
            }
          });
    }
  }

  /**
   * Reads some columns of a file, row by row.
   *
   * @param kind what the file should be, for messages
   * @param columns as in SELECT
   * @param row takes a row's cells: null, text, numbers, truth values; {@code byte[]} of a BLOB
   * @throws InputException when the file is missing, damaged, no Parquet, or lacks a column
   */
  public static void read(
      Path file, String kind, List<String> columns, Consumer<List<@Nullable Object>> row) {
    String select = "SELECT " + String.join(", ", columns) + " FROM " + source(file);
    try (var connection = DriverManager.getConnection("jdbc:duckdb:");
        Statement statement = connection.createStatement()) {
      statement.execute("SET memory_limit='1GB'");
      statement.execute("SET autoinstall_known_extensions=false");
      try (ResultSet rows = statement.executeQuery(select)) {
        while (rows.next()) {
          List<@Nullable Object> cells = new ArrayList<>();
          for (int c = 1; c <= columns.size(); c++) {
            Object cell = rows.getObject(c);
            cells.add(cell instanceof Blob blob ? blob.getBytes(1, (int) blob.length()) : cell);
          }
          row.accept(cells);
        }
      }
    } catch (SQLException e) {
      throw new InputException(
          file,
          "cannot be read as "
              + kind
              + ": it is damaged, no Parquet, or lacks one of "
              + String.join(", ", columns).replace("\"", ""),
          "Fetch it again",
          e);
    }
  }

  /** A file as SQL names it after FROM. */
  static String source(Path file) {
    return "read_parquet(['" + file.toAbsolutePath().toString().replace("'", "''") + "'])";
  }
}
