// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.bench;

import com.sun.management.OperatingSystemMXBean;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Bf16Arithmetic;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.train.SaeTrainer;
import io.clipsteer.engine.sae.train.SaeVariant;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * Times of bf16 divided by times of fp32 on this machine: {@code Bf16Bench MODEL BATCH ROUNDS}. The
 * vision tower's pass, and a TopK step of 768 × 12,288 with 2,048 tokens and {@code
 * --encoder-product}; fp32 and bf16 take turns, the medians are compared. Seconds are the process's
 * processor time, which other work on the machine disturbs least. Prints one JSON line. An older
 * CPU is emulated by {@code ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2}.
 */
public final class Bf16Bench {
  private static final int WIDTH = 768;
  private static final int FEATURES = 12_288;
  private static final int TOKENS = 2048;
  private static final int K = 32;

  private static final OperatingSystemMXBean SYSTEM =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

  private Bf16Bench() {}

  /** Runs it. */
  public static void main(String[] args) {
    Path path = Path.of(args[0]);
    int rounds = Integer.parseInt(args[2]);
    double[] tower = tower(path, Integer.parseInt(args[1]), rounds);
    double[] step = step(rounds);
    System.out.printf(
        Locale.ROOT,
        "{\"bf16_arithmetic\": \"%s\", \"reason\": \"%s\", \"threads\": %d, \"batch\": %s, "
            + "\"tower_fp32_seconds\": %.4f, \"tower_bf16_seconds\": %.4f, \"tower_ratio\": %.3f, "
            + "\"step_fp32_seconds\": %.4f, \"step_bf16_seconds\": %.4f, \"step_ratio\": %.3f}%n",
        Bf16Arithmetic.CPU.label(),
        Bf16Arithmetic.CPU.reason(),
        Engine.threads(),
        args[1],
        tower[0],
        tower[1],
        tower[1] / tower[0],
        step[0],
        step[1],
        step[1] / step[0]);
    System.exit(0);
  }

  private static double[] tower(Path path, int batch, int rounds) {
    try (ClipModel whole = ClipModel.load(path, DType.F32, Device.CPU);
        ClipModel half = ClipModel.load(path, DType.BF16, Device.CPU);
        Scope scope = Scope.open()) {
      int side = whole.vision().config().imageSize();
      float[] noise = new float[batch * 3 * side * side];
      for (int i = 0; i < noise.length; i++) noise[i] = (float) Math.sin(i * 0.37);
      Tensor pixels = Tensor.of(noise, batch, 3, side, side);
      return medians(
          rounds,
          () -> whole.vision().run(pixels, Hooks.NONE),
          () -> half.vision().run(pixels, Hooks.NONE));
    }
  }

  private static double[] step(int rounds) {
    try (Scope scope = Scope.open()) {
      SplittableRandom random = new SplittableRandom(1);
      float[] numbers = new float[TOKENS * WIDTH];
      for (int i = 0; i < numbers.length; i++) numbers[i] = (float) random.nextGaussian();
      Tensor x = Tensor.of(numbers, TOKENS, WIDTH);
      try (SaeTrainer whole = new SaeTrainer(config(DType.F32), x);
          SaeTrainer half = new SaeTrainer(config(DType.BF16), x)) {
        return medians(rounds, () -> whole.step(x, 1e-7), () -> half.step(x, 1e-7));
      }
    }
  }

  private static SaeTrainer.Config config(DType product) {
    return SaeTrainer.Config.of(
        new SaeVariant.TopK(K), WIDTH, FEATURES, InputNormalisation.Kind.LAYER_NORM, product, 1);
  }

  /**
   * Median processor seconds of two pieces of work that take turns, after two rounds that do not
   * count.
   */
  private static double[] medians(int rounds, Runnable... works) {
    double[][] seconds = new double[works.length][rounds];
    for (int round = -2; round < rounds; round++) {
      for (int w = 0; w < works.length; w++) {
        try (Scope scope = Scope.open()) {
          long start = SYSTEM.getProcessCpuTime();
          works[w].run();
          if (round >= 0) seconds[w][round] = (SYSTEM.getProcessCpuTime() - start) * 1e-9;
        }
      }
    }
    for (double[] all : seconds) Arrays.sort(all);
    return Arrays.stream(seconds).mapToDouble(all -> all[rounds / 2]).toArray();
  }
}
