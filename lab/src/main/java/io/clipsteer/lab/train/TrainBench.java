// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.Progress;
import io.clipsteer.data.stats.Median;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Bf16Arithmetic;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.StepPart;
import io.clipsteer.engine.sae.train.SaeTrainer;
import io.clipsteer.engine.sae.train.SaeVariant;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Time of an SAE's training step on this machine, in all and by part.
 *
 * @param steps timed, after three warm-up steps
 */
public record TrainBench(
    int width, int features, int batch, int steps, long seed, Progress progress) {
  /**
   * Medians over the steps, in seconds.
   *
   * @param step a whole step
   * @param l0 active features per token in the last step
   * @param encoderProduct the encoder's product alone, in one piece, measured by itself: in bf16
   *     where {@link Bf16Arithmetic} has such products, else in fp32
   * @param parts of the step, means
   * @param peakBytes most memory that the process has held so far
   */
  public record StepTimes(
      double step, double l0, double encoderProduct, Map<StepPart, Double> parts, long peakBytes) {}

  private static final int WARM = 3;

  /**
   * Measures a TopK SAE's step with {@code --encoder-product bf16}: a bf16 product proposes
   * features where the CPU has such products, else the product is exact.
   */
  public StepTimes topK(int k) {
    var config = config(new SaeVariant.TopK(k), DType.BF16);
    try (Scope scope = Scope.open()) {
      Tensor x = activations(new SplittableRandom(seed));
      try (SaeTrainer trainer = new SaeTrainer(config, x)) {
        return time(trainer, x);
      }
    }
  }

  /** Measures a ReLU SAE's step, b_enc being set so that about {@code l0} features are active. */
  public StepTimes relu(double l0) {
    var config = config(new SaeVariant.Relu(1e-6, SaeVariant.Loss.MSE, false), DType.F32);
    try (Scope scope = Scope.open()) {
      Tensor x = activations(new SplittableRandom(seed));
      try (SaeTrainer trainer = sparse(config, x, l0)) {
        return time(trainer, x);
      }
    }
  }

  private static SaeTrainer sparse(SaeTrainer.Config config, Tensor x, double l0) {
    Sae start;
    try (SaeTrainer fresh = new SaeTrainer(config, x)) {
      start = fresh.snapshot();
    }
    try (start) {
      start.encoderBias().fillInPlace(-bound(start, x, l0));
      return new SaeTrainer(config, start);
    }
  }

  private SaeTrainer.Config config(SaeVariant variant, DType product) {
    var kind = InputNormalisation.Kind.LAYER_NORM;
    return SaeTrainer.Config.of(variant, width, features, kind, product, seed);
  }

  /** The value that {@code l0} of a token's pre-activations exceed, averaged over a few tokens. */
  private static double bound(Sae start, Tensor x, double l0) {
    try (Scope scope = Scope.open()) {
      Tensor few = x.narrow(0, 0, Math.min(x.size(0), 64));
      Tensor centred = start.normalisation().apply(few).z().sub(start.decoderBias());
      float[] all = centred.matmul(start.encoder()).toFloats();
      Arrays.sort(all);
      long above = Math.clamp((long) (l0 * few.size(0)), 1, all.length);
      return all[Math.toIntExact(all.length - above)];
    }
  }

  private StepTimes time(SaeTrainer trainer, Tensor x) {
    try (var task = progress.start("timing steps", WARM + steps, "steps")) {
      double[] seconds = new double[steps];
      double l0 = 0;
      Map<StepPart, Double> before = new EnumMap<>(StepPart.class);
      for (int i = -WARM; i < steps; i++) {
        if (i == 0) before = trainer.seconds();
        long start = System.nanoTime();
        l0 = trainer.step(x, 1e-7).l0();
        if (i >= 0) seconds[i] = (System.nanoTime() - start) * 1e-9;
        task.advance(1, 2.0 * width * features * batch);
      }
      Map<StepPart, Double> parts = new EnumMap<>(StepPart.class);
      for (var part : trainer.seconds().entrySet()) {
        double earlier = before.getOrDefault(part.getKey(), 0.0);
        parts.put(part.getKey(), (part.getValue() - earlier) / steps);
      }
      long peak = Engine.peakBytes();
      return new StepTimes(Median.of(seconds).value(), l0, product(x), parts, peak);
    }
  }

  /** Sums of few directions and noise: rows that vary like real activations. */
  private Tensor activations(SplittableRandom random) {
    int directions = 512;
    float[] basis = Tensor.normal(random, 1, directions, width).toFloats();
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

  private double product(Tensor x) {
    double[] seconds = new double[steps];
    try (Scope scope = Scope.open()) {
      DType dtype = Bf16Arithmetic.CPU.inBf16() ? DType.BF16 : DType.F32;
      Tensor weights = Tensor.zeros(dtype, features, x.size(1)).addInPlace(0.25);
      Tensor input = x.to(dtype);
      for (int i = -WARM; i < steps; i++) {
        try (Scope inner = Scope.open()) {
          long start = System.nanoTime();
          input.linear(weights, null);
          if (i >= 0) seconds[i] = (System.nanoTime() - start) * 1e-9;
        }
      }
    }
    return Median.of(seconds).value();
  }
}
