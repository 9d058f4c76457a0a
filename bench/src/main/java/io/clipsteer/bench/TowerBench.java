// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.bench;

import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.lab.run.Images;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/**
 * Images a second of a vision tower alone, and from files to embeddings: {@code TowerBench MODEL
 * IMAGES fp32|bf16 BATCH SECONDS}. Prints one JSON line; the counterpart of {@code
 * bench/peers/time_transformers.py}.
 */
public final class TowerBench {
  private TowerBench() {}

  /** Runs it. */
  public static void main(String[] args) {
    Path path = Path.of(args[0]);
    DType dtype = args[2].equals("bf16") ? DType.BF16 : DType.F32;
    int batch = Integer.parseInt(args[3]);
    double seconds = Double.parseDouble(args[4]);
    try (ClipModel model = ClipModel.load(path, dtype, Device.CPU)) {
      double tower = tower(model, batch, seconds);
      double files = files(model, Path.of(args[1]), batch);
      System.out.printf(
          Locale.ROOT,
          "{\"what\": \"clipsteer\", \"dtype\": \"%s\", \"batch\": %d, \"threads\": %d, "
              + "\"tower_images_per_second\": %.2f, \"files_images_per_second\": %.2f, "
              + "\"fp32_gflops\": %.0f, \"bf16_gflops\": %.0f}%n",
          args[2],
          batch,
          Engine.threads(),
          tower,
          files,
          Engine.matrixPeak(DType.F32, 2048, 0.5) / 1e9,
          Engine.matrixPeak(DType.BF16, 2048, 0.5) / 1e9);
    }
    System.exit(0);
  }

  /** Median over the batches that fit into the time. */
  private static double tower(ClipModel model, int batch, double seconds) {
    int side = model.vision().config().imageSize();
    float[] noise = new float[batch * 3 * side * side];
    for (int i = 0; i < noise.length; i++) noise[i] = (float) Math.sin(i * 0.37);
    List<Double> rates = new ArrayList<>();
    try (Scope scope = Scope.open()) {
      Tensor pixels = Tensor.of(noise, batch, 3, side, side);
      long end = System.nanoTime() + (long) (seconds * 1e9);
      for (int i = 0; i < 3 || System.nanoTime() < end; i++) {
        long start = System.nanoTime();
        try (Scope step = Scope.open()) {
          model.vision().run(pixels, Hooks.NONE).embedding();
        }
        if (i >= 2) rates.add(batch / ((System.nanoTime() - start) * 1e-9));
      }
    }
    Collections.sort(rates);
    return rates.get(rates.size() / 2);
  }

  /** Median of three passes over the folder. */
  private static double files(ClipModel model, Path images, int batch) {
    Images set =
        new Images(ImageSet.open(images), model.preprocessing(), ImageLoader.Options.of(batch));
    double[] rates = new double[3];
    for (int i = 0; i < rates.length; i++) {
      long[] count = {0};
      long start = System.nanoTime();
      set.forEach(
          (ids, pixels) -> {
            model.vision().run(pixels, Hooks.NONE).embedding().toFloats();
            count[0] += ids.count();
          });
      rates[i] = count[0] / ((System.nanoTime() - start) * 1e-9);
    }
    Arrays.sort(rates);
    return rates[1];
  }
}
