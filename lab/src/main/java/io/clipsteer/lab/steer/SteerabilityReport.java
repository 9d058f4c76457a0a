// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.image.ImageLoader;
import io.clipsteer.lab.Versions;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How far units steer, by place and kind. docs/metrics.md defines each number.
 *
 * @param model checkpoint's path
 * @param source where the pictures come from
 * @param images pictures asked
 * @param skipped pictures left out
 * @param words size of the vocabulary
 * @param settings what was measured
 * @param layers by place, then kind
 * @param prepareSeconds for reading pictures and running the tower to the hook points
 */
public record SteerabilityReport(
    String model,
    String source,
    int images,
    List<ImageLoader.Skipped> skipped,
    int words,
    Settings settings,
    List<LayerResult> layers,
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
    json.put("share_above_tau", layer.share().value());
    json.put("share_low", layer.share().low());
    json.put("share_high", layer.share().high());
    json.put("coverage", layer.coverage());
    json.put("curve", layer.curve());
    json.put("asked", layer.asked());
    json.put("seconds", layer.seconds());
    return json;
  }
}
