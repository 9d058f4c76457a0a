// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.preprocess;

import java.util.List;

/**
 * From 8-bit samples to what the model reads: {@code (sample * factor - mean) / std} per channel.
 * All 256 values are computed once, in the order and precision of the Python tools: the product in
 * float64 and rounded, the rest in float32.
 */
public final class Normalisation {
  private final double factor;
  private final List<Double> mean;
  private final List<Double> std;
  private final float[][] values = new float[3][256];

  /** Three means and three standard deviations, red green blue; the latter above 0. */
  public Normalisation(double factor, List<Double> mean, List<Double> std) {
    if (mean.size() != 3 || std.size() != 3) throw new IllegalArgumentException("not 3 channels");
    this.factor = factor;
    this.mean = List.copyOf(mean);
    this.std = List.copyOf(std);
    for (int c = 0; c < 3; c++) {
      float m = mean.get(c).floatValue();
      float s = std.get(c).floatValue();
      for (int v = 0; v < 256; v++) values[c][v] = ((float) (v * factor) - m) / s;
    }
  }

  /** What a sample is multiplied by first; usually 1/255. */
  public double factor() {
    return factor;
  }

  /** Red, green, blue. */
  public List<Double> mean() {
    return mean;
  }

  /** Red, green, blue. */
  public List<Double> std() {
    return std;
  }

  /** The value of sample {@code v} (0 to 255) in channel {@code c}. */
  float value(int c, int v) {
    return values[c][v];
  }

  /** The value of a sample that has its factor already, in channel {@code c}. */
  float normalised(int c, float scaled) {
    return (scaled - mean.get(c).floatValue()) / std.get(c).floatValue();
  }

  float[] channel(int c) {
    return values[c];
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Normalisation n
        && n.factor == factor
        && n.mean.equals(mean)
        && n.std.equals(std);
  }

  @Override
  public int hashCode() {
    return 31 * (31 * Double.hashCode(factor) + mean.hashCode()) + std.hashCode();
  }

  @Override
  public String toString() {
    return "x*" + factor + ", mean " + mean + ", std " + std;
  }
}
