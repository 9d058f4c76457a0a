// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.cue;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.lab.run.Versions;
import io.clipsteer.lab.suppress.SuppressionSettings;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * {@code study.json} of planted-cue studies; docs/metrics.md defines the keys.
 *
 * @param model path of the checkpoint
 * @param source of the images
 * @param bestLayerAgainstLog2Size trend over studies, or null
 */
public record CueReport(
    int protocol,
    String clipsteer,
    String model,
    String source,
    @JsonUnwrapped Settings settings,
    List<CueResult> studies,
    CueResult.@Nullable Trend bestLayerAgainstLog2Size) {
  /**
   * What all studies have in common.
   *
   * @param strength opacity of the cue
   * @param correlation of cue and label in the probe's training images
   */
  public record Settings(
      double strength,
      double correlation,
      @JsonUnwrapped SuppressionSettings.Method method,
      long seed) {}

  /** Of all studies. */
  public static CueReport of(
      String model, String source, Settings settings, List<CueResult> studies) {
    return new CueReport(
        1,
        Versions.CLIPSTEER,
        model,
        source,
        settings,
        studies,
        CueResult.trend(studies, settings.seed));
  }
}
