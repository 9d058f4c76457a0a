// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.reproduce;

import io.clipsteer.data.stats.Mean;
import io.clipsteer.data.stats.Share;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * The numbers in a command's {@code --json}, by the names that the published table uses. Of a
 * number at a layer the name is {@code LAYER:NAME}.
 */
public final class FigureReader {
  private FigureReader() {}

  /**
   * Reads.
   *
   * @param command its first word, or its first two
   * @param result what it printed
   * @param out folder that it wrote; null where it wrote none
   * @return perhaps nothing
   */
  public static Map<String, Figure> read(String command, JsonNode result, @Nullable Path out) {
    return switch (command) {
      case "evaluate" -> evaluation(result);
      case "steerability" -> SteerabilityFigures.of(result, out);
      case "suppress" -> suppression(result);
      case "probe train" -> probe(result);
      case "study selectivity" -> selectivity(result);
      case "experiment" -> experiment(result);
      case "search" -> search(result);
      case "compare" -> comparison(result);
      case "classify" -> classification(result);
      default -> Map.of();
    };
  }

  // ---- evaluate --------------------------------------------------------------------------------

  private static Map<String, Figure> evaluation(JsonNode json) {
    Map<String, Figure> all = new LinkedHashMap<>();
    for (JsonNode sae : json.path("saes")) {
      String at = sae.path("layer").asInt() + ":";
      JsonNode intervals = sae.path("intervals");
      JsonNode legacy = sae.path("legacy");
      put(all, at + "ev", legacy.path("explained_variance"), intervals.path("token_mean"));
      put(all, at + "l0", sae.path("l0"), intervals.path("l0"));
      put(all, at + "l0_cls", sae.path("l0_cls"), intervals.path("l0_cls"));
      put(all, at + "l0_patches", sae.path("l0_patches"), intervals.path("l0_patches"));
      put(all, at + "cosine", legacy.path("cosine"), intervals.path("legacy_cosine"));
      for (String[] one :
          new String[][] {
            {"ce_original", "cross_entropy"},
            {"ce", "cross_entropy_spliced"},
            {"ce_zero", "cross_entropy_zero_ablated"},
            {"ce_recovered", "ce_recovered"}
          }) {
        put(all, at + one[0], legacy.path(one[1]), intervals.path("legacy_" + one[1]));
      }
      int features = sae.path("features").asInt();
      int alive = (int) Math.round(sae.path("alive_fraction").asDouble() * features);
      if (features > 0) all.put(at + "alive", Figure.of(Share.of(alive, features)));
      Double centre = centre(sae.path("l0_grid"));
      if (centre != null) all.put(at + "centre", Figure.alone(centre));
    }
    growth(all, json.path("saes"));
    return all;
  }

  /** L0 of the class token in the last layer, divided by that in the first. */
  private static void growth(Map<String, Figure> all, JsonNode saes) {
    if (saes.size() < 2) return;
    int first = saes.get(0).path("layer").asInt();
    int last = saes.get(saes.size() - 1).path("layer").asInt();
    Figure before = all.get(first + ":l0_cls");
    Figure after = all.get(last + ":l0_cls");
    if (before == null || after == null || before.value() <= 0 || first == last) return;
    all.put("cls_growth", Figure.alone(after.value() / before.value()));
  }

  /** L0 of the inner quarter of the grid divided by that of the others; null for a tiny grid. */
  private static @Nullable Double centre(JsonNode grid) {
    int rows = grid.size();
    if (rows < 4) return null;
    int columns = grid.get(0).size();
    double inner = 0;
    double outer = 0;
    int inside = 0;
    int outside = 0;
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < columns; c++) {
        double l0 = grid.get(r).get(c).asDouble();
        boolean in = 4 * r >= rows && 4 * r < 3 * rows && 4 * c >= columns && 4 * c < 3 * columns;
        if (in) {
          inner += l0;
          inside++;
        } else {
          outer += l0;
          outside++;
        }
      }
    }
    return inside == 0 || outside == 0 || outer <= 0 ? null : inner / inside / (outer / outside);
  }

  // ---- suppress --------------------------------------------------------------------------------

  private static Map<String, Figure> suppression(JsonNode json) {
    Map<String, Figure> all = new LinkedHashMap<>();
    worst(all, "wga_before", json.path("groups"), "before");
    worst(all, "wga_after", json.path("groups"), "after");
    double gain = json.path("edited_wga").asDouble() - json.path("baseline_wga").asDouble();
    int n = json.path("power").path("n").asInt();
    all.put(
        "gain",
        Figure.of(gain, json.path("gain_low").asDouble(), json.path("gain_high").asDouble(), n));
    if (json.path("layer").isNumber()) {
      all.put("layer", Figure.alone(json.path("layer").asInt()));
    }
    JsonNode defence = json.path("defence");
    put(all, "none", defence.path("attacked").path("value"), defence.path("attacked"));
    put(all, "edit", defence.path("defended").path("value"), defence.path("defended"));
    for (JsonNode one : json.path("combined")) {
      String name = one.path("name").asString();
      boolean prefix = name.contains("prefix") || name.contains("Prefix");
      boolean edit = name.contains("edit");
      if (!prefix) continue;
      put(all, edit ? "both" : "prefix", one.path("attacked").path("value"), one.path("attacked"));
    }
    Figure both = all.get("both");
    if (both != null) {
      double best =
          Stream.of("none", "edit", "prefix")
              .map(all::get)
              .filter(Objects::nonNull)
              .mapToDouble(Figure::value)
              .max()
              .orElse(0);
      all.put("both_minus_best", Figure.alone(both.value() - best));
    }
    return all;
  }

  /** The group with the lowest accuracy. */
  private static void worst(Map<String, Figure> all, String name, JsonNode groups, String when) {
    groups
        .valueStream()
        .map(group -> group.path(when))
        .min(Comparator.comparingDouble(share -> share.path("value").asDouble()))
        .ifPresent(share -> put(all, name, share.path("value"), share));
  }

  // ---- probe, study, experiment, search, compare, classify
  // ---------------------------------------

  private static Map<String, Figure> probe(JsonNode json) {
    Map<String, Figure> all = new LinkedHashMap<>();
    put(all, "accuracy", json.path("accuracy").path("value"), json.path("accuracy"));
    put(all, "miou", json.path("miou").path("value"), json.path("miou"));
    return all;
  }

  private static Map<String, Figure> selectivity(JsonNode json) {
    Map<String, Figure> all = new LinkedHashMap<>();
    JsonNode classes = json.path("classes");
    if (classes.isEmpty()) return all;
    JsonNode first = classes.get(0);
    for (String name : new String[] {"target_change", "difference"}) {
      put(all, name, first.path(name).path("value"), first.path(name));
    }
    put(all, "other_change", first.path("other_change"), first.path("none"));
    mean(all, "mean_target_change", classes, "/target_change/value");
    mean(all, "mean_other_change", classes, "/other_change");
    mean(all, "mean_random_difference", classes, "/controls/random_directions/difference");
    return all;
  }

  /** The mean over classes, with Student's interval. */
  private static void mean(Map<String, Figure> all, String name, JsonNode classes, String pointer) {
    double[] values =
        classes
            .valueStream()
            .map(one -> one.at(pointer))
            .filter(JsonNode::isNumber)
            .mapToDouble(JsonNode::asDouble)
            .toArray();
    if (values.length > 0) {
      all.put(name, Figure.of(Mean.of(values)));
    }
  }

  private static Map<String, Figure> experiment(JsonNode json) {
    Map<String, Figure> all = new LinkedHashMap<>();
    for (JsonNode answer : json.path("answers")) {
      String name = answer.path("name").asString().replaceFirst("^\\d+\\.", "");
      put(all, "before:" + name, answer.path("before"), answer.path("none"));
      put(all, "after:" + name, answer.path("after"), answer.path("none"));
    }
    if (!json.has("moved")) return all;
    double moved = 0;
    double sand = 0;
    for (JsonNode one : json.path("moved")) {
      double pixels = one.path("pixels").asDouble();
      moved += pixels;
      if (one.path("from").asString().equals("sand")) sand += pixels;
    }
    if (moved > 0) all.put("changed", Figure.alone(sand / moved));
    return all;
  }

  private static Map<String, Figure> search(JsonNode json) {
    JsonNode best = json.path("features").path(0);
    return best.has("score")
        ? Map.of("score", Figure.alone(best.path("score").asDouble()))
        : Map.of();
  }

  private static Map<String, Figure> comparison(JsonNode json) {
    Map<String, Figure> all = new LinkedHashMap<>();
    JsonNode pair = json.path("pairs").path(0);
    put(all, "mean_nearest_a", pair.path("mean_nearest_a"), pair.path("none"));
    return all;
  }

  private static Map<String, Figure> classification(JsonNode json) {
    Map<String, Figure> all = new LinkedHashMap<>();
    int judged = json.path("judged").asInt();
    JsonNode edited = json.path("edited");
    if (judged > 0 && edited.has("top1_lost")) {
      JsonNode lost = edited.path("top1_lost");
      put(all, "top1_lost", lost.path("value"), lost);
    }
    return all;
  }

  // ---- all -------------------------------------------------------------------------------------

  /** Adds a number that is there, with the interval that is there. */
  static void put(Map<String, Figure> all, String name, JsonNode value, JsonNode interval) {
    if (!value.isNumber()) return;
    double number = value.asDouble();
    if (!Double.isFinite(number)) return;
    JsonNode low = interval.path("low");
    JsonNode high = interval.path("high");
    if (!low.isNumber() || !high.isNumber()) {
      all.put(name, Figure.alone(number));
      return;
    }
    JsonNode n = interval.path("n");
    all.put(
        name,
        Figure.of(
            number, low.asDouble(), high.asDouble(), n.isNumber() ? (Integer) n.asInt() : null));
  }
}
