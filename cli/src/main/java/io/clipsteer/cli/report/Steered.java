// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.table.TableRows;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.steer.SteerabilityFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What {@code steerability} measured, as its folder holds it.
 *
 * @param folder where
 * @param json steerability.json
 * @param manifest how it was measured; null in measurements of protocol 1
 * @param scores of features by SAE, then by id, strongest first
 * @param points S and power of some units of every layer and kind
 */
record Steered(
    Path folder,
    JsonNode json,
    @Nullable RunManifest manifest,
    Map<String, Map<Integer, Score>> scores,
    List<Points> points) {
  /** Points a chart of a layer and kind gets. */
  private static final int MOST_POINTS = 400;

  /**
   * One unit; docs/protocol.md has the columns.
   *
   * @param semantic null in measurements made before there was one
   */
  record Score(
      int unit,
      int images,
      double s,
      double unbiased,
      double low,
      double high,
      @Nullable Double semantic,
      double power,
      String promoted,
      String suppressed) {}

  /**
   * For a scatter plot.
   *
   * @param sae of features; else empty
   * @param values each S, power and unit
   */
  record Points(int layer, String unit, String sae, List<double[]> values) {}

  /** The measurement in a folder. */
  static Steered read(Path folder) {
    Path file = new SteerabilityFolder(folder).report();
    try {
      JsonNode json = JsonMapper.shared().readTree(Files.readAllBytes(file));
      if (json == null || !json.path("layers").isArray() || json.path("protocol").asInt() != 1) {
        throw new InputException(file, "is no steerability of this clipsteer's", "Measure again");
      }
      Map<String, Map<Integer, Score>> scores = new LinkedHashMap<>();
      List<Points> points = new ArrayList<>();
      for (JsonNode layer : json.get("layers")) add(folder, layer, scores, points);
      RunManifest manifest = RunManifest.find(folder.resolve(RunManifest.FILE));
      return new Steered(folder, json, manifest, scores, points);
    } catch (JacksonException e) {
      throw new InputException(file, "is no JSON", "Measure again with clipsteer steerability", e);
    } catch (IOException e) {
      throw new InputException(
          file, "cannot be read", "Name with --steerability what steerability --out named", e);
    }
  }

  /** Refuses another run's: the SAEs that were measured must be those of this one. */
  void checkOf(RunFolder run) {
    if (manifest == null) return;
    for (Map.Entry<String, String> sae : manifest.hashes().entrySet()) {
      if (!RunFolder.isSae(sae.getKey())) continue;
      Path weights = run.path().resolve(sae.getKey()).resolve(SaeFiles.WEIGHTS);
      if (!Files.isRegularFile(weights) || !Hashes.sha256(weights).equals(sae.getValue())) {
        throw new InputException(
            folder, "is of other SAEs than " + run.path() + "'s", "Name this run's measurement");
      }
    }
  }

  private static void add(
      Path folder, JsonNode layer, Map<String, Map<Integer, Score>> scores, List<Points> points) {
    String sae = layer.path("sae").asString("");
    String kind = layer.path("unit").asString("");
    String place = sae.isEmpty() ? layer.path("hook_point").asString("") : sae;
    String name = place.substring(place.lastIndexOf('/') + 1) + "." + kind + ".csv";
    Path table = folder.resolve(name).normalize();
    if (!table.startsWith(folder.normalize()) || name.indexOf('\\') >= 0) {
      throw new InputException(folder, "names a table outside itself: " + name, "Measure again");
    }
    if (!Files.isRegularFile(table)) {
      throw new InputException(table, "is missing", "Measure again with clipsteer steerability");
    }
    List<Score> all = new ArrayList<>();
    try (TableRows rows = TableRows.list(table)) {
      rows.names(rows.first());
      for (List<String> row = rows.next(); row != null; row = rows.next()) {
        all.add(score(rows, row));
      }
    }
    List<double[]> some = new ArrayList<>();
    int step = Math.max(1, (all.size() + MOST_POINTS - 1) / MOST_POINTS);
    for (int i = 0; i < all.size(); i += step) {
      some.add(new double[] {all.get(i).s, all.get(i).power, all.get(i).unit});
    }
    points.add(new Points(layer.path("layer").asInt(), kind, sae, some));
    if (sae.isEmpty()) return;
    Map<Integer, Score> by = new LinkedHashMap<>();
    all.stream()
        .sorted((a, b) -> Double.compare(b.s, a.s))
        .forEach(score -> by.put(score.unit, score));
    scores.put(sae, by);
  }

  private static Score score(TableRows rows, List<String> row) {
    boolean semantic = rows.find(List.of("s_semantic")) >= 0;
    return new Score(
        (int) number(rows, row, "unit"),
        (int) number(rows, row, "images"),
        number(rows, row, "s"),
        number(rows, row, "s_unbiased"),
        number(rows, row, "low"),
        number(rows, row, "high"),
        semantic ? (Double) number(rows, row, "s_semantic") : null,
        number(rows, row, "power"),
        row.get(rows.column("promoted")),
        row.get(rows.column("suppressed")));
  }

  private static double number(TableRows rows, List<String> row, String column) {
    String text = row.get(rows.column(column));
    try {
      return Double.parseDouble(text);
    } catch (NumberFormatException e) {
      throw new InputException(rows, column + " is '" + text + "'", "Measure again", e);
    }
  }

  /** A feature's score, or null. */
  @Nullable Score of(String sae, int id) {
    return scores.getOrDefault(sae, Map.of()).get(id);
  }
}
