// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.probe;

import io.clipsteer.data.stats.Bootstrap;
import java.util.Arrays;
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
    // A sample without any image of a class has no figure.
    Bootstrap others = Bootstrap.of(new int[] {images}, SAMPLES, seed, Bootstrap.TAIL, figure);
    return others == null
        ? new ImageInterval(value, value, value)
        : new ImageInterval(value, others.low(), others.high());
  }
}
