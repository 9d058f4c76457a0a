// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.Progress;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.train.SaeTrainer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** Trainings as tests want them. */
final class TestTraining {
  /** Layer norm, exact products, no clipping, no resampling, b_dec from the mean. */
  static final SaeSettings SETTINGS =
      new SaeSettings(
          InputNormalisation.Kind.LAYER_NORM,
          DType.F32,
          0,
          SaeTrainer.Config.DEAD_TOKENS,
          0,
          SaeTrainer.Centre.MEAN);

  private TestTraining() {}

  /** Linear decay, and the penalty from the start. */
  static Schedule linear(long trainTokens, int batch, double learningRate) {
    return new Schedule(trainTokens, batch, learningRate, Schedule.Shape.LINEAR, -1, 0);
  }

  /** A run that keeps no state. */
  static Training.Finished run(TrainSource source, TrainConfig config, Path out) {
    Duration never = Duration.ofDays(1);
    return new TrainRun(source, config, List.of("train", "test"), out, false, never, null)
        .run(Progress.SILENT);
  }

  /** A run that keeps its state after every step. */
  static Training.Finished run(
      TrainSource source, TrainConfig config, Path out, boolean resume, Progress progress) {
    return new TrainRun(source, config, List.of("train"), out, resume, Duration.ZERO, null)
        .run(progress);
  }
}
