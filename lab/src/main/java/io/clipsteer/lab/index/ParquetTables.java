// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.Folders;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Blob;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.duckdb.DuckDBAppender;
import org.duckdb.DuckDBConnection;
import org.jspecify.annotations.Nullable;

/**
 * Reads and writes Parquet files for all packages, which need not know DuckDB. To write, it works
 * in a scratch folder and may spill there.
 */
public final class ParquetTables implements AutoCloseable {
  /** Fills a table row by row. */
  interface RowWriter {
    void fill(DuckDBAppender appender) throws SQLException;
  }

  /** Of DuckDB, which spills what is beyond it: a command's own memory is not to be doubled. */
  private static final String MEMORY = "256MB";

  /**
   * Rows that are written at once: lists of a whole default group would not fit {@link #MEMORY}.
   */
  private static final int GROUP = 8192;

  private final Path folder;
  private final Path scratch;
  private final Connection connection;

  /** For tables in {@code folder}, which is made. */
  ParquetTables(Path folder) {
    this.folder = folder;
    try {
      Files.createDirectories(folder);
      scratch = Files.createTempDirectory(folder, ".tables-");
    } catch (IOException e) {
      throw new InputException(
          folder, "cannot be written into: " + Reasons.of(e), "Check its rights and free space", e);
    }
    try {
      connection = DriverManager.getConnection("jdbc:duckdb:" + scratch.resolve("t.db"));
      try (Statement statement = connection.createStatement()) {
        statement.execute("SET memory_limit='" + MEMORY + "'");
        // Rows keep their order, whatever the number of threads.
        statement.execute("SET preserve_insertion_order=true");
        statement.execute("SET autoinstall_known_extensions=false");
      }
    } catch (SQLException e) {
      Folders.deleteQuietly(scratch);
      throw failure(e);
    }
  }

  private InputException failure(SQLException e) {
    return new InputException(
        folder,
        "tables cannot be written: "
            + String.valueOf(e.getMessage()).lines().findFirst().orElse(""),
        "Check its rights and free space",
        e);
  }

  /**
   * Writes {@code name.parquet}, whole or not at all.
   *
   * @param columns as in CREATE TABLE
   */
  void write(String name, String columns, RowWriter filler) {
    Path part = scratch.resolve(name + ".parquet");
    try (Statement statement = connection.createStatement()) {
      statement.execute("CREATE TABLE " + name + " (" + columns + ")");
      try (var appender = connection.unwrap(DuckDBConnection.class).createAppender("main", name)) {
        filler.fill(appender);
      }
      String quoted = part.toString().replace("'", "''");
      statement.execute(
          "COPY "
              + name
              + " TO '"
              + quoted
              + "' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE "
              + GROUP
              + ")");
      statement.execute("DROP TABLE " + name);
      AtomicFiles.writeStream(folder.resolve(name + ".parquet"), out -> Files.copy(part, out));
      Files.deleteIfExists(part);
    } catch (SQLException e) {
      throw failure(e);
    } catch (IOException e) {
      throw new InputException(
          folder, "cannot be written into: " + Reasons.of(e), "Check free space", e);
    }
  }

  @Override
  public void close() {
    try {
      connection.close();
    } catch (SQLException e) {
      throw failure(e);
    } finally {
      Folders.deleteQuietly(scratch);
    }
  }

  /**
   * Writes {@code name.parquet} into {@code folder}, whole or not at all.
   *
   * @param columns as in CREATE TABLE
   * @param rows cells: null, text, numbers, truth values
   */
  public static void write(
      Path folder, String name, String columns, List<List<@Nullable Object>> rows) {
    try (ParquetTables tables = new ParquetTables(folder)) {
      tables.write(
          name,
          columns,
          appender -> {
            for (List<@Nullable Object> row : rows) append(appender, row.toArray());
          });
    }
  }

  /** Appends a row: null, text, numbers, truth values, arrays of numbers. */
  static void append(DuckDBAppender row, @Nullable Object... cells) throws SQLException {
    row.beginRow();
    for (Object cell : cells) {
      switch (cell) {
        case null -> row.appendNull();
        case Boolean truth -> row.append(truth.booleanValue());
        case Integer whole -> row.append(whole.intValue());
        case Long whole -> row.append(whole.longValue());
        case Float number -> row.append(number.floatValue());
        case Double number -> row.append(number.doubleValue());
        case int[] numbers -> row.append(numbers);
        case float[] numbers -> row.append(numbers);
        default -> row.append(cell.toString());
      }
    }
    row.endRow();
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
