// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.bench;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.Hooks;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;

/**
 * A vision tower that takes turns with another program: {@code TowerTurns MODEL fp32|bf16 BATCH}.
 * For each line on its input it runs one batch and prints the seconds by the clock and of the
 * processors. Run by {@code bench/peers/compare_turns.py}.
 */
public final class TowerTurns {
  private TowerTurns() {}

  /** Runs it. */
  public static void main(String[] args) throws IOException {
    DType dtype = args[1].equals("bf16") ? DType.BF16 : DType.F32;
    int batch = Integer.parseInt(args[2]);
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try (ClipModel model = ClipModel.load(Path.of(args[0]), dtype, Device.CPU);
        Scope scope = Scope.open()) {
      int side = model.preprocessing().width();
      float[] noise = new float[batch * 3 * side * side];
      for (int i = 0; i < noise.length; i++) noise[i] = (float) Math.sin(i * 0.37);
      Tensor pixels = Tensor.of(noise, batch, 3, side, side);
      while (lines.readLine() != null) {
        Duration cpu = cpu();
        long start = System.nanoTime();
        try (Scope step = Scope.open()) {
          model.vision().run(pixels, Hooks.NONE).embedding();
        }
        double seconds = (System.nanoTime() - start) * 1e-9;
        double busy = cpu().minus(cpu).toNanos() * 1e-9;
        System.out.printf(Locale.ROOT, "%.4f %.4f%n", seconds, busy);
      }
    }
    System.exit(0);
  }

  private static Duration cpu() {
    return ProcessHandle.current().info().totalCpuDuration().orElseThrow();
  }
}
