// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.stats.Median;
import io.clipsteer.lab.run.Versions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * How far units steer, by place and kind. docs/metrics.md defines each number.
 *
 * @param model checkpoint's path
 * @param source where the images come from
 * @param images images asked
 * @param skipped images left out
 * @param words size of the vocabulary
 * @param settings what was measured
 * @param layers by place, then kind
 * @param vocabularies the same with parts of the vocabulary, if asked for
 * @param findings what an index of the run adds, or null
 * @param prepareSeconds for reading images and running the tower to the hook points
 */
public record SteerabilityReport(
    String model,
    String source,
    int images,
    List<ImageLoader.Skipped> skipped,
    int words,
    SteerabilitySettings settings,
    List<LayerResult> layers,
    List<VocabularyResult> vocabularies,
    @Nullable Findings findings,
    double prepareSeconds) {
  private static final int PROTOCOL = 1;

  /** The report as {@code steerability.json} holds it. */
  public Map<String, Object> json() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("protocol", PROTOCOL);
    json.put("clipsteer", Versions.CLIPSTEER);
    json.put("model", model);
    json.put("source", source);
    json.put("images", images);
    json.put("skipped", skipped.size());
    json.put("words", words);
    json.put("strength", settings.strength());
    json.put("tau", settings.tau());
    json.put("at", settings.at().text());
    json.put("screen", settings.screen());
    json.put("prepare_seconds", prepareSeconds);
    json.put("layers", layers.stream().map(SteerabilityReport::json).toList());
    if (!vocabularies.isEmpty()) {
      json.put("vocabularies", vocabularies.stream().map(SteerabilityReport::json).toList());
    }
    if (findings != null) {
      json.put("names", findings.names());
      json.put("locality", findings.locality());
      json.put("best_layer_against_cover", findings.bestLayer());
      json.put("best_layer_words", findings.bestLayerWords());
    }
    return json;
  }

  private static Map<String, Object> json(VocabularyResult one) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("words", one.words());
    json.put("draw", one.draw());
    json.put("layer", one.layer());
    json.put("unit", one.unit().word());
    json.put("sae", one.sae());
    json.put("mean_s", one.meanS());
    json.put("mean_s_semantic", one.meanSemantic());
    json.put("share_above_tau", one.share().value());
    json.put("share_low", one.share().low());
    json.put("share_high", one.share().high());
    json.put("coverage", one.coverage());
    json.put("rank_correlation_with_whole", one.whole());
    if (one.other() != null) json.put("rank_correlation_with_other_draw", one.other());
    return json;
  }

  private static Map<String, Object> json(LayerResult layer) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("layer", layer.layer());
    json.put("unit", layer.unit().word());
    json.put("hook_point", layer.hookPoint());
    json.put("sae", layer.sae());
    json.put("n", layer.n());
    json.put("images", layer.images());
    json.put("mean_s", layer.meanS());
    json.put("mean_s_unbiased", layer.meanUnbiased());
    json.put("mean_s_semantic", layer.meanSemantic());
    json.put("share_above_tau", layer.share().value());
    json.put("share_low", layer.share().low());
    json.put("share_high", layer.share().high());
    json.put("coverage", layer.coverage());
    json.put("curve", layer.curve());
    json.put("asked", layer.asked());
    if (!layer.doses().isEmpty()) json.put("dose", dose(layer.doses()));
    json.put("seconds", layer.seconds());
    return json;
  }

  private static Map<String, Object> dose(List<Dose> doses) {
    Median half = Median.of(doses.stream().mapToDouble(Dose::half).toArray());
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("features", half.n());
    json.put("half_strength", half.value());
    json.put("half_strength_low", half.low());
    json.put("half_strength_high", half.high());
    List<Map<String, Object>> points = new ArrayList<>();
    for (int p = 0; p < doses.getFirst().points().size(); p++) {
      int at = p;
      Map<String, Object> point = new LinkedHashMap<>();
      point.put("strength", doses.getFirst().points().get(p).strength());
      point.put("change", median(doses, at, Dose.Point::change));
      point.put("norm", median(doses, at, Dose.Point::norm));
      point.put("nearest", median(doses, at, Dose.Point::nearest));
      points.add(point);
    }
    json.put("medians", points);
    return json;
  }

  private static double median(List<Dose> doses, int at, ToDoubleFunction<Dose.Point> what) {
    double[] values =
        doses.stream().mapToDouble(dose -> what.applyAsDouble(dose.points().get(at))).toArray();
    return Median.of(values).value();
  }
}
