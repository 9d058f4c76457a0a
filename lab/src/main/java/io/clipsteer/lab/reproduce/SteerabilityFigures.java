// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.reproduce;

import io.clipsteer.data.stats.Mean;
import io.clipsteer.data.stats.Share;
import io.clipsteer.data.table.TableRows;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** Numbers of {@code steerability}: of its JSON, and of the tables of features beside it. */
final class SteerabilityFigures {
  private static final double[] THRESHOLDS = {0.02, 0.05, 0.1, 0.2, 0.5, 0.9};
  private static final String FEATURES = "features";
  private static final String NEURONS = "neurons";

  private SteerabilityFigures() {}

  static Map<String, Figure> of(JsonNode json, @Nullable Path out) {
    Map<String, Figure> all = new LinkedHashMap<>();
    Map<String, Integer> steerable = new HashMap<>();
    JsonNode layers = json.path("layers");
    for (JsonNode one : layers) {
      String unit = one.path("unit").asString();
      String at = one.path("layer").asInt() + ":" + unit + ".";
      share(all, at, one);
      all.put(at + "coverage", Figure.alone(one.path("coverage").asInt()));
      int n = one.path("n").asInt();
      int count = (int) Math.round(one.path("share_above_tau_of_s").asDouble() * n);
      all.put(at + "count", Figure.alone(count));
      steerable.put(at, count);
      if (unit.equals(FEATURES) && out != null) {
        Path table = table(out, one.path("sae").asString());
        if (table != null) features(all, one.path("layer").asInt() + ":", table);
      }
    }
    for (JsonNode one : layers) ratio(all, one.path("layer").asInt() + ":", steerable);
    long measured = layers.valueStream().map(one -> one.path("layer").asInt()).distinct().count();
    if (measured > 0) all.put("layers", Figure.alone(measured));
    return all;
  }

  /**
   * The share of S above the threshold. Its interval is as far from it as the ends of the unbiased
   * share's interval are from that, so that both samples count: of units and of images.
   */
  private static void share(Map<String, Figure> all, String at, JsonNode one) {
    double unbiased = one.path("share_above_tau").asDouble();
    double share = one.path("share_above_tau_of_s").asDouble();
    double low = share - (unbiased - one.path("share_low").asDouble());
    double high = share + (one.path("share_high").asDouble() - unbiased);
    all.put(
        at + "share", Figure.of(share, Math.max(0, low), Math.min(1, high), one.path("n").asInt()));
  }

  private static void ratio(Map<String, Figure> all, String at, Map<String, Integer> steerable) {
    Figure own = all.get(at + FEATURES + ".coverage");
    Figure neurons = all.get(at + NEURONS + ".coverage");
    if (own == null || neurons == null) return;
    if (neurons.value() > 0) {
      all.put(at + "coverage_ratio", Figure.alone(own.value() / neurons.value()));
    }
    int more =
        steerable.getOrDefault(at + FEATURES + ".", 0)
            - steerable.getOrDefault(at + NEURONS + ".", 0);
    all.put(at + "more", Figure.alone(more));
  }

  /** The table of an SAE's features at the last strength that was measured. */
  private static @Nullable Path table(Path out, String sae) {
    String name = sae.substring(sae.lastIndexOf('/') + 1);
    try (Stream<Path> files = Files.list(out)) {
      return files
          .filter(
              file -> {
                String own = String.valueOf(file.getFileName());
                return own.startsWith(name + "." + FEATURES + ".")
                    && own.endsWith(".csv")
                    && !own.endsWith(".dose.csv");
              })
          .sorted()
          .findFirst()
          .orElse(null);
    } catch (IOException e) {
      return null;
    }
  }

  private static void features(Map<String, Figure> all, String at, Path table) {
    List<Double> s = new ArrayList<>();
    List<Double> power = new ArrayList<>();
    Map<String, Double> words = new HashMap<>();
    try (TableRows rows = TableRows.open(table)) {
      int ofS = rows.column("s");
      int ofPower = rows.column("power");
      int promoted = rows.column("promoted");
      for (List<String> row = rows.next(); row != null; row = rows.next()) {
        s.add(Double.valueOf(row.get(ofS)));
        power.add(Double.valueOf(row.get(ofPower)));
        word(words, row.get(promoted));
      }
    }
    String features = at + FEATURES + ".";
    double[] sorted = sorted(s);
    double[] powers = sorted(power);
    all.put(features + "mean_s", Figure.of(Mean.of(sorted)));
    all.put(features + "median_s", quantile(sorted, 0.5));
    for (int percent : new int[] {75, 90, 95, 99}) {
      all.put(features + "p" + percent + "_s", quantile(sorted, percent / 100.0));
    }
    for (double t : THRESHOLDS) {
      all.put(features + "above_" + t, above(sorted, t));
      all.put(features + "power_above_" + t, above(powers, t));
    }
    all.put(features + "mean_power", Figure.of(Mean.of(powers)));
    all.put(features + "median_power", quantile(powers, 0.5));
    words.forEach((word, change) -> all.put(at + "word." + word, Figure.alone(change)));
  }

  /** The word that is promoted most, as {@code word +0.12345; …}, with its largest change. */
  private static void word(Map<String, Double> words, String promoted) {
    String first = promoted.split(";", 2)[0].strip();
    int blank = first.lastIndexOf(' ');
    if (blank > 0) {
      words.merge(
          first.substring(0, blank), Double.parseDouble(first.substring(blank + 1)), Math::max);
    }
  }

  private static double[] sorted(List<Double> values) {
    return values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
  }

  private static Figure above(double[] sorted, double threshold) {
    int hits = (int) Arrays.stream(sorted).filter(one -> one > threshold).count();
    return Figure.of(Share.of(hits, sorted.length));
  }

  /** A quantile with its interval by order statistics (the binomial's normal approximation). */
  private static Figure quantile(double[] sorted, double q) {
    int n = sorted.length;
    double middle = q * (n - 1);
    double half = 1.96 * Math.sqrt(n * q * (1 - q));
    int low = (int) Math.floor(middle - half);
    int high = (int) Math.ceil(middle + half);
    double value = sorted[(int) Math.round(middle)];
    // Beyond the sample's ends nothing is known.
    return low < 0 || high >= n
        ? new Figure(value, null, null, n)
        : Figure.of(value, sorted[low], sorted[high], n);
  }
}
