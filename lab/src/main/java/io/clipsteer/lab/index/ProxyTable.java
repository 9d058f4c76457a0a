// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The optional table {@code feature_proxies} of an index: machine proxies of human evaluation, a
 * row for each feature and judge. It is deleted when features are indexed again.
 */
public final class ProxyTable {
  /** Of the table, its file and its manifest. */
  static final String NAME = "feature_proxies";

  /** Name of the manifest; it describes the last judge's work. */
  public static final String MANIFEST = "proxies.manifest.json";

  private static final List<String> COLUMNS =
      List.of(
          "sae VARCHAR",
          "id INTEGER",
          "judge VARCHAR",
          "circular BOOLEAN",
          "two_afc DOUBLE",
          "intruder DOUBLE",
          "verification DOUBLE",
          "draws INTEGER",
          "seed BIGINT");

  private static final int JUDGE = 2;

  private ProxyTable() {}

  /**
   * A feature as a judge sees it; docs/protocol.md defines the columns.
   *
   * @param judge checkpoint, absolute
   * @param circular whether the judge is the model that the features come from
   */
  public record ProxyRow(
      String sae,
      int id,
      String judge,
      boolean circular,
      @Nullable Double twoAfc,
      @Nullable Double intruder,
      @Nullable Double verification,
      int draws,
      long seed) {
    private List<@Nullable Object> cells() {
      return Arrays.asList(sae, id, judge, circular, twoAfc, intruder, verification, draws, seed);
    }
  }

  /**
   * All scores, by {@code "SAE NUMBER"} of a feature, then by task and judge; none without a table.
   */
  public static Map<String, Map<String, Double>> scores(IndexFolder folder) {
    Map<String, Map<String, Double>> all = new HashMap<>();
    if (!Files.isRegularFile(folder.table(NAME))) return all;
    var found =
        FeatureQuery.run(
            folder, "SELECT sae, id, judge, two_afc, intruder, verification FROM " + NAME);
    for (List<@Nullable Object> row : found.rows()) {
      Path judge = Path.of(String.valueOf(row.get(JUDGE))).getFileName();
      Map<String, Double> own =
          all.computeIfAbsent(row.get(0) + " " + row.get(1), feature -> new TreeMap<>());
      for (int column = JUDGE + 1; column < row.size(); column++) {
        String name = found.columns().get(column) + ", judge " + judge;
        if (row.get(column) instanceof Number score) own.put(name, score.doubleValue());
      }
    }
    return all;
  }

  /**
   * Writes a judge's rows in the place of those that it has; other judges' rows stay.
   *
   * @throws InputException when the table is there and damaged, or cannot be written
   */
  public static void replace(IndexFolder folder, String judge, List<ProxyRow> rows) {
    List<List<@Nullable Object>> all = new ArrayList<>();
    Path file = folder.table(NAME);
    if (Files.exists(file)) {
      List<String> names =
          COLUMNS.stream().map(column -> column.substring(0, column.indexOf(' '))).toList();
      ParquetTables.read(
          file,
          "a table of proxies",
          names,
          row -> {
            if (!judge.equals(row.get(JUDGE))) all.add(row);
          });
    }
    for (ProxyRow row : rows) all.add(row.cells());
    ParquetTables.write(folder.path(), NAME, String.join(", ", COLUMNS), all);
  }
}
