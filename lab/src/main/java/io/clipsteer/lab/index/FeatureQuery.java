// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.InputException;
import io.clipsteer.data.table.CsvText;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Array;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import org.duckdb.DuckDBConnection;
import org.jspecify.annotations.Nullable;

/**
 * SQL over an index. The tables are copied into a database in memory, which is cut off from files
 * and the network before the user's query runs: a query can read those tables and nothing else, and
 * cannot change what is on disk.
 */
public final class FeatureQuery {
  /**
   * What a query returns.
   *
   * @param columns names
   * @param rows cells: null, text, numbers, truth values, lists of these
   */
  public record QueryRows(List<String> columns, List<List<@Nullable Object>> rows) {}

  private static final int MOST_ROWS = 1_000_000;

  private FeatureQuery() {}

  /**
   * Runs a query.
   *
   * @param sql one query
   * @throws InputException when there is no index, or the query fails
   */
  public static QueryRows run(IndexFolder folder, String sql) {
    List<String> tables = tables(folder);
    if (tables.isEmpty()) folder.read(IndexedUnits.FEATURES);
    Properties properties = new Properties();
    properties.setProperty("autoinstall_known_extensions", "false");
    properties.setProperty("autoload_known_extensions", "false");
    properties.setProperty("temp_directory", "");
    try (Connection connection = DriverManager.getConnection("jdbc:duckdb:", properties);
        Statement statement = connection.createStatement()) {
      load(folder, tables, sql, statement);
      return execute(connection, sql);
    } catch (SQLException e) {
      throw failure(sql, tables, e);
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
    }
    return names;
  }

  /** Loads only the tables that the query names: an index may be large. */
  private static void load(IndexFolder folder, List<String> tables, String sql, Statement statement)
      throws SQLException {
    String text = sql.toLowerCase(Locale.ROOT);
    for (String name : tables) {
      Path file = folder.table(name);
      if (!Files.isRegularFile(file)) {
        throw new InputException(file, "is missing", "Index again");
      }
      String limit = text.contains(name) ? "" : " LIMIT 0";
      try {
        statement.execute(
            "CREATE TABLE " + name + " AS SELECT * FROM " + ParquetTables.source(file) + limit);
      } catch (SQLException e) {
        throw new InputException(file, "is damaged", "Make it again with clipsteer index", e);
      }
    }
    statement.execute("SET enable_external_access=false");
    statement.execute("SET lock_configuration=true");
  }

  private static QueryRows execute(Connection connection, String sql) throws SQLException {
    try (var statement = connection.unwrap(DuckDBConnection.class).prepareStatement(sql)) {
      if (!statement.execute()) {
        throw new InputException("the query", "gives no rows", "Begin it with SELECT");
      }
      try (ResultSet rows = statement.getResultSet()) {
        return fetched(rows);
      }
    }
  }

  private static QueryRows fetched(ResultSet rows) throws SQLException {
    int n = rows.getMetaData().getColumnCount();
    List<String> columns = new ArrayList<>();
    for (int c = 1; c <= n; c++) columns.add(rows.getMetaData().getColumnLabel(c));
    List<List<@Nullable Object>> all = new ArrayList<>();
    while (rows.next()) {
      if (all.size() == MOST_ROWS) {
        throw new InputException(
            "the query", "gives more than " + MOST_ROWS + " rows", "Add a LIMIT");
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
