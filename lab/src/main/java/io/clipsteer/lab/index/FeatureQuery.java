// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.table.CsvText;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Array;
import java.sql.Blob;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import org.duckdb.DuckDBConnection;
import org.jspecify.annotations.Nullable;

/**
 * SQL over an index. For a user's query the tables are copied into a database in memory, which is
 * cut off from files and the network before the query runs: it can read those tables and nothing
 * else, and cannot change what is on disk.
 */
public final class FeatureQuery implements AutoCloseable {
  /**
   * What a query returns.
   *
   * @param columns names
   * @param rows cells: null, text, numbers, truth values, lists of these
   */
  public record QueryRows(List<String> columns, List<List<@Nullable Object>> rows) {}

  /** Table of {@link #open}. */
  public static final String BEST_LABELS = "best_labels";

  private static final HexFormat BYTES = HexFormat.of().withPrefix("\\x").withUpperCase();
  private static final int MOST_ROWS = 1_000_000;
  private static final long SMALL_BYTES = 64 << 20;

  private final List<String> tables;
  private final Connection connection;

  private FeatureQuery(List<String> tables, Connection connection) {
    this.tables = tables;
    this.connection = connection;
  }

  /**
   * Opens all tables for any number of queries of the program's own. Small ones are loaded, large
   * ones stay on disk. A further table, {@link #BEST_LABELS}, has each feature's most associated
   * label: {@code sae}, {@code id}, {@code label}, {@code auroc}.
   *
   * @throws InputException when there is no index, or a table is missing or damaged
   */
  public static FeatureQuery open(IndexFolder folder) {
    return open(folder, null, null);
  }

  /** Loads the database's native library, which takes a second: on a thread beside other work. */
  public static void load() {
    try {
      DriverManager.getConnection("jdbc:duckdb:").close();
    } catch (SQLException e) {
      throw new IllegalStateException(e); // a database in memory
    }
  }

  /**
   * Runs a query.
   *
   * @param sql one query
   * @throws InputException when there is no index, or the query fails
   */
  public static QueryRows run(IndexFolder folder, String sql) {
    try (FeatureQuery query = open(folder, sql, null)) {
      return query.rows(sql);
    }
  }

  /**
   * The same within limits.
   *
   * @param most rows
   * @param megabytes of memory, the tables that the query names included
   * @throws InputException also where a limit is reached
   */
  static QueryRows run(IndexFolder folder, String sql, int most, int megabytes) {
    try (FeatureQuery query = open(folder, sql, megabytes + "MB")) {
      return query.rows(sql, most);
    }
  }

  private static FeatureQuery open(
      IndexFolder folder, @Nullable String sql, @Nullable String memory) {
    List<String> tables = tables(folder);
    if (tables.isEmpty()) folder.read(IndexedUnits.FEATURES);
    Properties properties = new Properties();
    properties.setProperty("autoinstall_known_extensions", "false");
    properties.setProperty("autoload_known_extensions", "false");
    properties.setProperty("temp_directory", "");
    if (memory != null) properties.setProperty("memory_limit", memory);
    try {
      Connection connection = DriverManager.getConnection("jdbc:duckdb:", properties);
      try (Statement statement = connection.createStatement()) {
        load(folder, tables, sql, statement);
        return new FeatureQuery(tables, connection);
      } catch (SQLException | RuntimeException e) {
        connection.close();
        throw e;
      }
    } catch (SQLException e) {
      throw failure(String.valueOf(sql), tables, e);
    }
  }

  /**
   * What a query returns; one at a time.
   *
   * @param sql one query
   * @throws InputException when it fails
   */
  public QueryRows rows(String sql) {
    return rows(sql, MOST_ROWS);
  }

  private synchronized QueryRows rows(String sql, int most) {
    try (var statement = connection.unwrap(DuckDBConnection.class).prepareStatement(sql)) {
      return execute(statement, most);
    } catch (SQLException e) {
      throw failure(sql, tables, e);
    }
  }

  @Override
  public void close() {
    try {
      connection.close();
    } catch (SQLException e) {
      throw new IllegalStateException(e); // a database in memory
    }
  }

  /** Names of the index's tables. */
  private static List<String> tables(IndexFolder folder) {
    List<String> names = new ArrayList<>();
    for (IndexedUnits units : IndexedUnits.values()) {
      if (!folder.has(units)) continue;
      folder.read(units);
      names.add(units.toString());
      for (String part : IndexFolder.PARTS) names.add(units.one() + "_" + part);
      boolean judged = Files.exists(folder.table(ProxyTable.NAME));
      if (units == IndexedUnits.FEATURES && judged) names.add(ProxyTable.NAME);
    }
    return names;
  }

  /** Loads the tables; of one query only those that it names: an index may be large. */
  private static void load(
      IndexFolder folder, List<String> tables, @Nullable String sql, Statement statement)
      throws SQLException {
    String text = sql == null ? null : sql.toLowerCase(Locale.ROOT);
    for (String name : tables) {
      Path file = folder.table(name);
      if (!Files.isRegularFile(file)) {
        throw new InputException(file, "is missing", "Index again");
      }
      String limit = text == null || text.contains(name) ? "" : " LIMIT 0";
      String kind = sql == null && size(file) > SMALL_BYTES ? "VIEW" : "TABLE";
      try {
        statement.execute(
            "CREATE %s %s AS SELECT * FROM %s%s"
                .formatted(kind, name, ParquetTables.source(file), limit));
      } catch (SQLException e) {
        throw new InputException(file, "is damaged", "Make it again with clipsteer index", e);
      }
    }
    if (sql == null) {
      statement.execute(
          """
          CREATE TABLE %s AS SELECT sae, id, arg_max(factor || ': ' || value, auroc) AS label,
            max(auroc) AS auroc FROM feature_labels WHERE score = 'max'
            AND least(positives, images - positives) >= %d GROUP BY sae, id\
          """
              .formatted(BEST_LABELS, IndexFolder.FEW_IMAGES));
      return;
    }
    statement.execute("SET enable_external_access=false");
    statement.execute("SET lock_configuration=true");
  }

  private static long size(Path file) {
    try {
      return Files.size(file);
    } catch (IOException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Check its rights", e);
    }
  }

  private static QueryRows execute(PreparedStatement statement, int most) throws SQLException {
    if (!statement.execute()) {
      throw new InputException("the query", "gives no rows", "Begin it with SELECT");
    }
    try (ResultSet rows = statement.getResultSet()) {
      return fetched(rows, most);
    }
  }

  private static QueryRows fetched(ResultSet rows, int most) throws SQLException {
    int n = rows.getMetaData().getColumnCount();
    List<String> columns = new ArrayList<>();
    for (int c = 1; c <= n; c++) columns.add(rows.getMetaData().getColumnLabel(c));
    List<List<@Nullable Object>> all = new ArrayList<>();
    while (rows.next()) {
      if (all.size() == most) {
        throw new InputException("the query", "gives more than " + most + " rows", "Add a LIMIT");
      }
      List<@Nullable Object> row = new ArrayList<>(n);
      for (int c = 1; c <= n; c++) row.add(plain(rows.getObject(c)));
      all.add(row);
    }
    return new QueryRows(columns, all);
  }

  private static @Nullable Object plain(@Nullable Object cell) throws SQLException {
    if (cell instanceof Float f) return Double.isFinite(f) ? (Object) f : f.toString();
    if (cell instanceof Double d) return Double.isFinite(d) ? (Object) d : d.toString();
    if (cell == null || cell instanceof Number || cell instanceof Boolean) return cell;
    if (cell instanceof Array array) {
      List<@Nullable Object> list = new ArrayList<>();
      for (Object one : (Object[]) array.getArray()) list.add(plain(one));
      return list;
    }
    if (cell instanceof Blob blob) return BYTES.formatHex(blob.getBytes(1, (int) blob.length()));
    return cell.toString();
  }

  private static InputException failure(String sql, List<String> tables, SQLException e) {
    String message = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
    String where = sql.length() > 80 ? sql.substring(0, 80) + "…" : sql;
    return new InputException(
        "the query \"" + where + "\"",
        message,
        "Tables: " + String.join(", ", tables) + "; docs/protocol.md has their columns",
        e);
  }

  /** QueryRows as comma-separated text, a header first. */
  public static String csv(QueryRows rows) {
    CsvText text = new CsvText(rows.columns());
    rows.rows().forEach(text::row);
    return text.toString();
  }
}
