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
 * @param strength opacity of the cue
 * @param correlation of cue and label in the probe's training images
 * @param bestLayerAgainstLog2Size trend over studies, or null
 */
public record CueReport(
    int protocol,
    String clipsteer,
    String model,
    String source,
    double strength,
    double correlation,
    @JsonUnwrapped SuppressionSettings.Method method,
    long seed,
    List<CueResult> studies,
    CueResult.@Nullable Trend bestLayerAgainstLog2Size) {
  /** Of all studies. */
  public static CueReport of(InjectedCue study, double strength, List<CueResult> studies) {
    SuppressionSettings settings = study.settings();
    return new CueReport(
        1,
        Versions.CLIPSTEER,
        study.model().source().path().toString(),
        study.images().set().origin().toString(),
        strength,
        study.correlation(),
        settings.method(),
        settings.seed(),
        studies,
        CueResult.trend(studies, settings.seed()));
  }
}
