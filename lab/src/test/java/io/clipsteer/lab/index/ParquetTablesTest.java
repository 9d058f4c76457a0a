// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tables whose lists are larger than the memory that writes them. */
final class ParquetTablesTest {
  private static final int ROWS = 100_000;
  private static final int LIST = 512;

  @TempDir private Path folder;

  @Test
  void longListsNeedLittleMemory() {
    float[] list = new float[LIST];
    try (ParquetTables tables = new ParquetTables(folder)) {
      tables.write(
          "long",
          "id INTEGER, list FLOAT[]",
          appender -> {
            for (int row = 0; row < ROWS; row++) {
              Arrays.fill(list, row);
              ParquetTables.append(appender, row, list);
            }
          });
    }
    List<Integer> ids = new ArrayList<>();
    List<String> columns = List.of("id", "list[1]::INTEGER", "len(list)::INTEGER");
    ParquetTables.read(
        folder.resolve("long.parquet"),
        "a table",
        columns,
        row -> {
          ids.add((Integer) row.get(0));
          assertEquals(row.get(0), row.get(1));
          assertEquals(LIST, row.get(2));
        });
    assertEquals(ROWS, ids.size());
    for (int row = 0; row < ROWS; row++) assertEquals(row, ids.get(row));
  }

  @Test
  void aRefusalHasItsReason() {
    try (ParquetTables tables = new ParquetTables(folder)) {
      InputException e =
          assertThrows(
              InputException.class,
              () -> tables.write("t", "id INTEGER", row -> ParquetTables.append(row, "word")));
      assertTrue(String.valueOf(e.getMessage()).contains("invalid column type"), e.getMessage());
    }
  }
}
