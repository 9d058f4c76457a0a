// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.probe;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.ToDoubleFunction;

/**
 * A figure over images with its 95 % interval: percentiles over bootstrap samples of the images.
 *
 * @param value over all images
 */
public record ImageInterval(double value, double low, double high) {
  private static final int SAMPLES = 1000;

  /**
   * Measures.
   *
   * @param images number of images
   * @param figure from how often each image counts
   */
  public static ImageInterval of(int images, long seed, ToDoubleFunction<int[]> figure) {
    int[] times = new int[images];
    Arrays.fill(times, 1);
    double value = figure.applyAsDouble(times);
    var random = new SplittableRandom(seed);
    double[] others = new double[SAMPLES];
    for (int s = 0; s < SAMPLES; s++) {
      Arrays.fill(times, 0);
      for (int i = 0; i < images; i++) times[random.nextInt(images)]++;
      others[s] = figure.applyAsDouble(times);
    }
    // A sample without any image of a class has no figure.
    double[] sorted =
        Arrays.stream(others).filter(other -> !Double.isNaN(other)).sorted().toArray();
    if (sorted.length == 0) return new ImageInterval(value, value, value);
    int cut = (int) (0.025 * sorted.length);
    return new ImageInterval(value, sorted[cut], sorted[sorted.length - 1 - cut]);
  }
}
