// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.SaeTrainer;
import io.clipsteer.engine.sae.SaeVariant;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.SplittableRandom;

/** How long a training step of a TopK SAE takes on this machine, and what in it. */
public final class TrainBench {
  /**
   * Medians over the steps, in seconds.
   *
   * @param step a whole step
   * @param encoderProduct the encoder's bf16 product alone, in one piece, measured by itself
   * @param parts of the step, means
   * @param residentBytes of the process after the last step
   */
  public record Result(
      double step, double encoderProduct, Map<SaeTrainer.Part, Double> parts, long residentBytes) {}

  private static final int WARM = 3;

  private TrainBench() {}

  /**
   * Measures.
   *
   * @param steps timed, after three that are not
   */
  public static Result topK(
      int width, int features, int batch, int k, int steps, long seed, Progress progress) {
    SplittableRandom random = new SplittableRandom(seed);
    var config =
        new SaeTrainer.Config(
            new SaeVariant.TopK(k),
            width,
            features,
            InputNormalisation.Kind.LAYER_NORM,
            DType.BF16,
            seed);
    try (Scope scope = Scope.open()) {
      Tensor x = activations(random, batch, width);
      try (SaeTrainer trainer = new SaeTrainer(config, x);
          var task = progress.start("timing steps", WARM + steps, "steps")) {
        double[] seconds = new double[steps];
        Map<SaeTrainer.Part, Double> before = new EnumMap<>(SaeTrainer.Part.class);
        for (int i = -WARM; i < steps; i++) {
          if (i == 0) before = trainer.seconds();
          long start = System.nanoTime();
          trainer.step(x, 1e-4);
          if (i >= 0) seconds[i] = (System.nanoTime() - start) * 1e-9;
          task.advance(1, 2.0 * width * features * batch);
        }
        Map<SaeTrainer.Part, Double> parts = new EnumMap<>(SaeTrainer.Part.class);
        for (var part : trainer.seconds().entrySet()) {
          double earlier = before.getOrDefault(part.getKey(), 0.0);
          parts.put(part.getKey(), (part.getValue() - earlier) / steps);
        }
        long resident = Engine.residentBytes();
        return new Result(median(seconds), product(x, features, steps), parts, resident);
      }
    }
  }

  /** Sums of few directions and noise: rows that differ as real activations do. */
  private static Tensor activations(SplittableRandom random, int batch, int width) {
    int directions = 512;
    float[] basis = new float[directions * width];
    for (int i = 0; i < basis.length; i++) basis[i] = (float) random.nextGaussian();
    float[] rows = new float[batch * width];
    for (int row = 0; row < batch; row++) {
      for (int term = 0; term < 8; term++) {
        int direction = random.nextInt(directions);
        float weight = (float) random.nextDouble();
        for (int c = 0; c < width; c++) {
          rows[row * width + c] += weight * basis[direction * width + c];
        }
      }
      for (int c = 0; c < width; c++) rows[row * width + c] += 0.1f * (float) random.nextGaussian();
    }
    return Tensor.of(rows, batch, width);
  }

  private static double product(Tensor x, int features, int steps) {
    double[] seconds = new double[steps];
    try (Scope scope = Scope.open()) {
      Tensor weights = Tensor.zeros(DType.BF16, features, x.size(1)).addInPlace(0.25);
      Tensor input = x.to(DType.BF16);
      for (int i = -WARM; i < steps; i++) {
        try (Scope inner = Scope.open()) {
          long start = System.nanoTime();
          input.linear(weights, null);
          if (i >= 0) seconds[i] = (System.nanoTime() - start) * 1e-9;
        }
      }
    }
    return median(seconds);
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}
