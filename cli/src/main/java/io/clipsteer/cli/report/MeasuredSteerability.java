// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.stats.Median;
import io.clipsteer.data.table.TableRows;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.explorer.SteeredFeature;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.steer.SteerabilityFolder;
import io.clipsteer.lab.steer.Strength;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * The result of {@code steerability}, read from its folder.
 *
 * @param folder of the measurement
 * @param json steerability.json
 * @param manifest how it was measured; null in measurements of protocol 1
 * @param features by SAE, then by id, at the first strength, most steerable first
 * @param points some units of every layer and kind, at the first strength
 */
public record MeasuredSteerability(
    Path folder,
    JsonNode json,
    @Nullable RunManifest manifest,
    Map<String, Map<Integer, Unit>> features,
    List<Points> points) {
  private static final int PROTOCOL = 2;
  private static final String AGAIN = "Measure again with clipsteer steerability";

  /** Points of a layer and kind in a chart, at most. */
  private static final int MOST_POINTS = 400;

  /**
   * One unit; docs/protocol.md has the columns.
   *
   * @param set strength that it was set to
   * @param images on which it was evaluated
   * @param more the same at the other strengths
   */
  public record Unit(
      int unit,
      String set,
      int images,
      double s,
      double unbiased,
      double low,
      double high,
      double semantic,
      double power,
      String promoted,
      String suppressed,
      List<Unit> more) {}

  /**
   * Units for a scatter plot.
   *
   * @param unit kind: features, neurons, random
   * @param sae of features; else empty
   * @param values S, power and number of each
   */
  public record Points(int layer, String unit, String sae, List<List<@Nullable Object>> values) {}

  /** Reads a measurement. */
  public static MeasuredSteerability read(Path folder) {
    Path file = new SteerabilityFolder(folder).report();
    JsonNode json = Report.result(file, "layers", PROTOCOL, AGAIN);
    String first = set(json.path("set").path(0));
    Map<String, Map<Integer, Unit>> features = new LinkedHashMap<>();
    List<Points> points = new ArrayList<>();
    for (JsonNode layer : json.get("layers")) {
      String sae = layer.path("sae").asString("");
      String set = set(layer.path("set"));
      if (sae.isEmpty() && !set.equals(first)) continue;
      List<Unit> units = units(table(folder, layer, sae, set), set);
      if (set.equals(first)) points.add(points(layer, sae, units));
      if (sae.isEmpty()) continue;
      Map<Integer, Unit> byId = features.computeIfAbsent(sae, s -> new LinkedHashMap<>());
      units.stream()
          .sorted(Comparator.comparingDouble(Unit::s).reversed())
          .forEach(unit -> add(byId, unit));
    }
    RunManifest manifest = RunManifest.find(folder.resolve(RunManifest.FILE));
    return new MeasuredSteerability(folder, json, manifest, features, points);
  }

  /** A feature at its first strength, or one more strength of it. */
  private static void add(Map<Integer, Unit> byId, Unit unit) {
    Unit before = byId.putIfAbsent(unit.unit, unit);
    if (before != null) before.more.add(unit);
  }

  /** A strength in words. */
  static String set(JsonNode set) {
    return Strength.parse(set.asString("1x")).toString();
  }

  /** Refuses another run's measurement: its SAEs must be those of this run. */
  public void checkOf(RunFolder run) {
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

  private static Path table(Path folder, JsonNode layer, String sae, String set) {
    String source = sae.isEmpty() ? layer.path("hook_point").asString("") : sae;
    String kind = layer.path("unit").asString("");
    String name = source.substring(source.lastIndexOf('/') + 1) + "." + kind + "." + set + ".csv";
    Path table = folder.resolve(name).normalize();
    if (!table.startsWith(folder.normalize()) || name.indexOf('\\') >= 0) {
      throw new InputException(folder, "names a table outside itself: " + name, AGAIN);
    }
    if (!Files.isRegularFile(table)) throw new InputException(table, "is missing", AGAIN);
    return table;
  }

  private static List<Unit> units(Path table, String set) {
    List<Unit> units = new ArrayList<>();
    try (TableRows rows = TableRows.list(table)) {
      rows.names(rows.first());
      for (List<String> row = rows.next(); row != null; row = rows.next()) {
        units.add(unit(rows, row, set));
      }
    }
    return units;
  }

  private static Points points(JsonNode layer, String sae, List<Unit> units) {
    List<List<@Nullable Object>> values = new ArrayList<>();
    int step = Math.max(1, (units.size() + MOST_POINTS - 1) / MOST_POINTS);
    for (int i = 0; i < units.size(); i += step) {
      List<@Nullable Object> value = new ArrayList<>();
      value.add(Cells.rounded(units.get(i).s));
      value.add(Cells.rounded(units.get(i).power));
      value.add(units.get(i).unit);
      values.add(value);
    }
    return new Points(layer.path("layer").asInt(0), layer.path("unit").asString(""), sae, values);
  }

  private static Unit unit(TableRows rows, List<String> row, String set) {
    return new Unit(
        (int) number(rows, row, "unit"),
        set,
        (int) number(rows, row, "images"),
        number(rows, row, "s"),
        number(rows, row, "s_unbiased"),
        number(rows, row, "low"),
        number(rows, row, "high"),
        number(rows, row, "s_semantic"),
        number(rows, row, "power"),
        row.get(rows.column("promoted")),
        row.get(rows.column("suppressed")),
        new ArrayList<>());
  }

  private static double number(TableRows rows, List<String> row, String column) {
    String text = row.get(rows.column(column));
    try {
      return Double.parseDouble(text);
    } catch (NumberFormatException e) {
      throw new InputException(rows, column + " is '" + text + "'", "Measure again", e);
    }
  }

  /** An SAE's features with unbiased S above τ, from the largest S. */
  List<Integer> aboveTau(String sae) {
    double tau = json.path("tau").asDouble(0);
    return features.getOrDefault(sae, Map.of()).values().stream()
        .filter(unit -> unit.unbiased > tau)
        .map(Unit::unit)
        .toList();
  }

  /** A feature's measurement, or null. */
  @Nullable Unit of(String sae, int id) {
    return features.getOrDefault(sae, Map.of()).get(id);
  }

  /** As the explorer shows it: by SAE, then by feature, beside random directions of the layer. */
  public Map<String, Map<Integer, SteeredFeature>> ofExplorer() {
    Map<String, Map<Integer, SteeredFeature>> all = new LinkedHashMap<>();
    features.forEach(
        (sae, units) -> {
          double[] random = random(sae);
          Map<Integer, SteeredFeature> own = new LinkedHashMap<>();
          units.forEach((id, unit) -> own.put(id, steered(unit, random)));
          all.put(sae, own);
        });
    return all;
  }

  private static SteeredFeature steered(Unit unit, double[] random) {
    double lower = (double) Arrays.stream(random).filter(s -> s < unit.s).count();
    return new SteeredFeature(
        unit.set,
        unit.images,
        unit.s,
        unit.unbiased,
        unit.low,
        unit.high,
        unit.power,
        unit.promoted,
        unit.suppressed,
        random.length == 0 ? 0 : Median.of(random).value(),
        random.length == 0 ? 0 : lower / random.length);
  }

  /** S of random directions at the layer of an SAE. */
  private double[] random(String sae) {
    int layer =
        points.stream()
            .filter(one -> one.sae.equals(sae))
            .mapToInt(Points::layer)
            .findFirst()
            .orElse(-1);
    return points.stream()
        .filter(one -> one.layer == layer && one.unit.equals("random"))
        .flatMap(one -> one.values.stream())
        .mapToDouble(value -> value.getFirst() instanceof Number s ? s.doubleValue() : 0)
        .toArray();
  }
}
