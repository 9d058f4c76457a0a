// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.reproduce;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.lab.train.TrainBench;
import java.nio.file.Path;
import java.util.List;

/**
 * Rates of this machine, measured in seconds.
 *
 * @param decodeSeconds of an image, decoding and resizing, on one thread
 * @param towerFlops operations a second of the tower
 * @param reluTokens tokens a second of a vanilla SAE's step
 * @param topkTokens of a TopK SAE's step
 * @param cores of the machine
 */
public record MeasuredRates(
    double decodeSeconds, double towerFlops, double reluTokens, double topkTokens, int cores) {
  private static final int BATCH = 8;
  private static final int TOKENS = 512;
  private static final int L0 = 400;
  private static final int K = 64;

  /** Seconds of decoding an image where there is none to measure on. */
  private static final double DECODE = 0.009;

  /**
   * Measures.
   *
   * @param images that exist; perhaps none
   * @param expansion features per dimension
   */
  public static MeasuredRates of(ClipModel clip, List<Path> images, int expansion) {
    int width = clip.vision().config().width();
    var bench = new TrainBench(width, width * expansion, TOKENS, 1, 1, Progress.SILENT);
    return new MeasuredRates(
        decode(clip, images),
        tower(clip),
        TOKENS / bench.relu(Math.min(L0, width * expansion / 4)).step(),
        TOKENS / bench.topK(Math.min(K, width * expansion / 4)).step(),
        Runtime.getRuntime().availableProcessors());
  }

  private static double decode(ClipModel clip, List<Path> images) {
    long start = System.nanoTime();
    int read = 0;
    for (Path image : images) {
      try {
        RgbImage decoded = ImageDecoder.decode(image);
        clip.preprocessing().apply(decoded);
        read++;
      } catch (InputException e) {
        continue; // The check of the sample names it.
      }
    }
    return read == 0 ? DECODE : (System.nanoTime() - start) * 1e-9 / read;
  }

  private static double tower(ClipModel clip) {
    Preprocessing input = clip.preprocessing();
    double seconds = Double.MAX_VALUE;
    for (int round = 0; round < 3; round++) {
      try (Scope scope = Scope.open()) {
        Tensor pixels = Tensor.zeros(DType.F32, BATCH, 3, input.height(), input.width());
        long start = System.nanoTime();
        float[] values = clip.vision().run(pixels, Hooks.NONE).embedding().toFloats();
        if (values.length == 0) throw new IllegalStateException("no embedding");
        seconds = Math.min(seconds, (System.nanoTime() - start) * 1e-9);
      }
    }
    return clip.vision().flopsPerImage() * BATCH / seconds;
  }
}
