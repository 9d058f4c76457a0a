// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A table as a Parquet file, for those who may not know how it is made. */
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
}
