// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.stats.Correlation;
import io.clipsteer.lab.run.Versions;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How far units steer, by hook point and kind. docs/metrics.md defines each number.
 *
 * @param model checkpoint's path
 * @param source where the images come from
 * @param images images evaluated
 * @param skipped images that could not be read
 * @param words size of the vocabulary
 * @param settings what was measured
 * @param layers by hook point, then kind
 * @param vocabularies the same with parts of the vocabulary; perhaps none
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

  /** {@code steerability.json}. */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  private record Json(
      int protocol,
      String clipsteer,
      String model,
      String source,
      int images,
      int skipped,
      int words,
      double strength,
      double tau,
      String at,
      boolean screen,
      double prepareSeconds,
      List<LayerResult> layers,
      @Nullable List<VocabularyResult> vocabularies,
      @Nullable List<Findings.Named> names,
      @Nullable List<Findings.Local> locality,
      @Nullable Correlation bestLayerAgainstCover,
      @Nullable Integer bestLayerWords) {}

  /** The report as {@code steerability.json} holds it: a record. */
  public Object json() {
    return new Json(
        PROTOCOL,
        Versions.CLIPSTEER,
        model,
        source,
        images,
        skipped.size(),
        words,
        settings.strength(),
        settings.tau(),
        settings.at().text(),
        settings.screen(),
        prepareSeconds,
        layers,
        vocabularies.isEmpty() ? null : vocabularies,
        findings == null ? null : findings.names(),
        findings == null ? null : findings.locality(),
        findings == null ? null : findings.bestLayer(),
        findings == null ? null : (Integer) findings.bestLayerWords());
  }
}
