// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.lab.run.JsonReport;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How far units steer, by hook point and kind, as {@code steerability.json} holds it.
 * docs/metrics.md defines each number.
 *
 * @param model checkpoint's path
 * @param source where the images come from
 * @param images images evaluated
 * @param skipped images that could not be read
 * @param words size of the vocabulary
 * @param settings of the measurement
 * @param prepareSeconds for reading images and running the tower to the hook points
 * @param layers by hook point, strength, kind
 * @param comparisons of features with the baselines
 * @param vocabularies the same with parts of the vocabulary; perhaps none
 * @param findings beside an index of the run, or null without one
 */
@JsonPropertyOrder({"protocol", "clipsteer", "model", "source", "images", "skipped"})
public record SteerabilityReport(
    String model,
    String source,
    int images,
    List<ImageLoader.Skipped> skipped,
    int words,
    @JsonUnwrapped SteerabilitySettings settings,
    double prepareSeconds,
    List<LayerResult> layers,
    @JsonInclude(JsonInclude.Include.NON_EMPTY) List<BaselineComparison> comparisons,
    @JsonInclude(JsonInclude.Include.NON_EMPTY) List<VocabularyResult> vocabularies,
    @JsonUnwrapped @Nullable Findings findings)
    implements JsonReport {
  @Override
  public int protocol() {
    return 2;
  }

  /** The same with parts of the vocabulary and beside an index. */
  SteerabilityReport with(List<VocabularyResult> parts, @Nullable Findings beside) {
    return new SteerabilityReport(
        model,
        source,
        images,
        skipped,
        words,
        settings,
        prepareSeconds,
        layers,
        comparisons,
        parts,
        beside);
  }
}
