// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.engine.Tensor;

/** Position embeddings for another grid than the one they were trained for. */
final class Positions {
  /** PyTorch's cubic coefficient without and with antialiasing. */
  private static final double PLAIN = -0.75;

  private static final double ANTIALIASED = -0.5;

  /** Which source rows make up a target row, and in what shares. */
  private record Taps(int[] rows, double[] weights) {}

  private Positions() {}

  /**
   * Bicubic interpolation, pixel centres at halves: what {@code
   * torch.nn.functional.interpolate(mode="bicubic", align_corners=False)} does. Without
   * antialiasing four neighbours count, edges repeated; with it the kernel widens as the grid
   * shrinks, and positions outside are omitted.
   *
   * @param positions [g·g,d]
   * @return [height·width,d], of the same element type and device
   */
  static Tensor interpolate(Tensor positions, int height, int width, boolean antialias) {
    int d = (int) positions.size(1);
    int g = (int) Math.round(Math.sqrt(positions.size(0)));
    float[] source = positions.toFloats();
    double[] target = new double[height * width * d];
    for (int y = 0; y < height; y++) {
      Taps ys = antialias ? wide(y, g, height) : four(y, g, height);
      for (int x = 0; x < width; x++) {
        Taps xs = antialias ? wide(x, g, width) : four(x, g, width);
        add(source, g, d, ys, xs, target, (y * width + x) * d);
      }
    }
    float[] rounded = new float[target.length];
    for (int i = 0; i < rounded.length; i++) rounded[i] = (float) target[i];
    return Tensor.of(rounded, (long) height * width, d)
        .to(positions.dtype())
        .to(positions.device());
  }

  private static void add(float[] source, int g, int d, Taps ys, Taps xs, double[] target, int to) {
    for (int j = 0; j < ys.rows.length; j++) {
      for (int i = 0; i < xs.rows.length; i++) {
        double w = ys.weights[j] * xs.weights[i];
        int from = (ys.rows[j] * g + xs.rows[i]) * d;
        for (int c = 0; c < d; c++) target[to + c] += w * source[from + c];
      }
    }
  }

  private static Taps four(int at, int in, int out) {
    double centre = (at + 0.5) * in / out - 0.5;
    int first = (int) Math.floor(centre) - 1;
    int[] rows = new int[4];
    double[] weights = new double[4];
    for (int i = 0; i < 4; i++) {
      rows[i] = Math.clamp(first + i, 0, in - 1);
      weights[i] = cubic(first + i - centre, PLAIN);
    }
    return new Taps(rows, weights);
  }

  private static Taps wide(int at, int in, int out) {
    double scale = (double) in / out;
    double stretch = Math.max(scale, 1);
    double centre = scale * (at + 0.5);
    int first = Math.max(0, (int) (centre - 2 * stretch + 0.5));
    int end = Math.min(in, (int) (centre + 2 * stretch + 0.5));
    int[] rows = new int[end - first];
    double[] weights = new double[end - first];
    double sum = 0;
    for (int i = 0; i < rows.length; i++) {
      rows[i] = first + i;
      weights[i] = cubic((first + i - centre + 0.5) / stretch, ANTIALIASED);
      sum += weights[i];
    }
    for (int i = 0; i < weights.length; i++) weights[i] /= sum;
    return new Taps(rows, weights);
  }

  /** Keys' cubic convolution kernel. */
  private static double cubic(double distance, double a) {
    double x = Math.abs(distance);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
  }
}
