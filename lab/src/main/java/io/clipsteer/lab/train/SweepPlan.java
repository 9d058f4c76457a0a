// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.Progress;
import io.clipsteer.data.store.StoreFormat;
import io.clipsteer.engine.Engine;
import io.clipsteer.lab.block.WorkPlan;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The cost of a sweep before its SAEs are trained: some steps of each kind are timed. */
public final class SweepPlan {
  /** Weights, and Adam's two moments of each. */
  private static final int STATES = 3;

  private SweepPlan() {}

  /**
   * Times steps on the store's own tokens; nothing is written.
   *
   * @param checkpoints time between two states of a task
   * @throws io.clipsteer.data.InputException when the store does not have what is trained on
   */
  public static WorkPlan of(
      TrainSource.FromStore source, TrainConfig config, Duration checkpoints) {
    config.check(source.width());
    source.check(config);
    StoreFormat format = source.store().format();
    long steps = config.schedule().steps();
    double tokens = (double) steps * config.schedule().batch();
    double width = source.width();
    double features = width * config.expansion();
    double saeBytes = (2 * width * features + features + width) * Float.BYTES;
    Map<String, Double> secondsOf = new HashMap<>();
    double seconds = 0;
    double written = 0;
    for (SaeSpec spec : config.saes()) {
      double own =
          steps
              * secondsOf.computeIfAbsent(
                  spec.variant().spelling(), kind -> secondsPerStep(source, config.only(spec)));
      seconds += own;
      double states =
          checkpoints.toMillis() == 0 ? steps : Math.floor(1000 * own / checkpoints.toMillis());
      written += (1 + states * STATES) * saeBytes;
    }
    int saes = config.saes().size();
    var stage =
        new WorkPlan.PlannedStage(
            TrainSweep.STAGE,
            true,
            saes,
            saes * tokens * format.codec().bytes(source.width()),
            written,
            saes * tokens * config.flopsPerToken(source.width()),
            seconds,
            0);
    return new WorkPlan(
        List.of(stage),
        Engine.peakBytes(),
        List.of(
            "the evaluation of each SAE on the held-out images is not in the plan",
            "an SAE with a penalty is timed at its first steps, when more features are active"));
  }

  private static double secondsPerStep(TrainSource source, TrainConfig config) {
    try (Feed feed = source.open(config, 0, Progress.SILENT)) {
      return Training.secondsPerStep(config, feed);
    }
  }
}
