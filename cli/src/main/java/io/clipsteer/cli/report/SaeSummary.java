// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.lab.evaluate.SparsityReport;
import io.clipsteer.lab.index.FeatureQuery;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.run.RunFolder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * An SAE of a report. Keys are those of evaluation.json; the figures are over the indexed images.
 *
 * @param group its entry in the index
 * @param variant as run.json spells it; null where the run does not know the SAE
 * @param statistics figures from the table of features
 * @param frequencyHistogram features by log10 of their frequency
 * @param evaluation its entry in evaluation.json, or null
 */
record SaeSummary(
    IndexFolder.IndexGroup group,
    @Nullable String variant,
    Map<String, @Nullable Object> statistics,
    SparsityReport.Histogram frequencyHistogram,
    @Nullable JsonNode evaluation) {
  /** Quarter decades from 10⁻⁶ to 1. */
  private static final int BINS = 24;

  /** Reads the SAEs of an index, in its order. */
  static List<SaeSummary> read(
      IndexFolder index,
      IndexFolder.IndexManifest manifest,
      RunFolder.Run run,
      @Nullable JsonNode evaluation) {
    Map<String, Map<String, @Nullable Object>> statistics = statistics(index);
    Map<String, long[]> counts = counts(index);
    List<SaeSummary> all = new ArrayList<>();
    for (IndexFolder.IndexGroup group : manifest.groups()) {
      String folder = group.sae();
      String variant = null;
      for (RunFolder.SaeEntry entry : run.saes()) {
        if (entry.folder().equals(folder)) variant = entry.variant();
      }
      JsonNode own = null;
      for (JsonNode one : evaluation == null ? List.<JsonNode>of() : evaluation.path("saes")) {
        if (one.path("folder").asString("").equals(folder)) own = one;
      }
      Map<String, @Nullable Object> row = statistics.getOrDefault(folder, Map.of());
      long never = Cells.whole(row.get("never"));
      var histogram =
          new SparsityReport.Histogram(edges(), counts.getOrDefault(folder, new long[BINS]), never);
      all.add(new SaeSummary(group, variant, row, histogram, own));
    }
    return all;
  }

  private static Map<String, Map<String, @Nullable Object>> statistics(IndexFolder index) {
    String sql =
        """
        SELECT sae, any_value(layer) AS layer, sum(frequency) AS l0, sum(frequency_cls) AS l0_cls,
          sum(frequency_patches) AS l0_patches, avg((frequency > 0)::INT) AS alive_fraction,
          avg((frequency > 0.1)::INT) AS dense_fraction, count(*) FILTER (frequency = 0) AS never,
          median(monosemanticity) AS median_monosemanticity FROM features GROUP BY sae\
        """;
    Map<String, Map<String, @Nullable Object>> all = new LinkedHashMap<>();
    FeatureQuery.QueryRows answer = FeatureQuery.run(index, sql);
    for (List<@Nullable Object> row : answer.rows()) {
      all.put(Cells.text(row.get(0)), Cells.object(answer, row, 1));
    }
    return all;
  }

  private static double[] edges() {
    double[] edges = new double[BINS + 1];
    for (int i = 0; i <= BINS; i++) edges[i] = (i - BINS) / 4.0;
    return edges;
  }

  private static Map<String, long[]> counts(IndexFolder index) {
    String sql =
        """
        SELECT sae, least(23, greatest(0, floor(log10(frequency) * 4) + 24)) AS bin, count(*)
          FROM features WHERE frequency > 0 GROUP BY ALL\
        """;
    Map<String, long[]> all = new LinkedHashMap<>();
    for (List<@Nullable Object> row : FeatureQuery.run(index, sql).rows()) {
      long[] counts = all.computeIfAbsent(Cells.text(row.get(0)), sae -> new long[BINS]);
      counts[(int) Cells.whole(row.get(1))] = Cells.whole(row.get(2));
    }
    return all;
  }
}
