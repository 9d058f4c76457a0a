// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.duckdb.DuckDBAppender;
import org.duckdb.DuckDBConnection;

/** Writes Parquet files through DuckDB, which works in a scratch folder and may spill there. */
final class DuckTables implements AutoCloseable {
  /** Fills a table row by row. */
  interface RowWriter {
    void fill(DuckDBAppender appender) throws SQLException;
  }

  private final Path folder;
  private final Path scratch;
  private final Connection connection;

  /** For tables in {@code folder}, which is made. */
  DuckTables(Path folder) {
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
        statement.execute("SET memory_limit='1GB'");
        // A row's place is its order; nothing is to depend on the number of threads.
        statement.execute("SET preserve_insertion_order=true");
        statement.execute("SET autoinstall_known_extensions=false");
      }
    } catch (SQLException e) {
      deleteScratch();
      throw failure(e);
    }
  }

  private InputException failure(SQLException e) {
    return new InputException(
        folder, "tables cannot be written", "Check its rights and free space", e);
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
      statement.execute("COPY " + name + " TO '" + quoted + "' (FORMAT parquet, COMPRESSION zstd)");
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

  private void deleteScratch() {
    try (Stream<Path> all = Files.walk(scratch)) {
      List<Path> paths = all.sorted(Comparator.reverseOrder()).toList();
      for (Path path : paths) Files.deleteIfExists(path);
    } catch (IOException e) {
      // What went before matters more than the litter.
      return;
    }
  }

  @Override
  public void close() {
    try {
      connection.close();
    } catch (SQLException e) {
      throw failure(e);
    } finally {
      deleteScratch();
    }
  }
}
