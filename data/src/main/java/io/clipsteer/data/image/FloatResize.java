// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import io.clipsteer.data.image.PilResize.Filter;
import java.util.Arrays;

/**
 * {@code torch.nn.functional.interpolate(antialias=True, align_corners=False)} of an RGB image as
 * floats: columns first, then rows, without rounding between them or after. Equal to it up to the
 * rounding of float32 sums.
 */
public final class FloatResize {
  private FloatResize() {}

  /**
   * The whole image at another size.
   *
   * @param scale factor of the 8-bit samples
   * @param filter BILINEAR or BICUBIC
   * @return planes [3,height,width]
   */
  public static float[] resize(RgbImage in, int width, int height, Filter filter, float scale) {
    if (filter != Filter.BILINEAR && filter != Filter.BICUBIC) {
      throw new IllegalArgumentException("PyTorch antialiases bilinear and bicubic alone");
    }
    FilterTaps columns = FilterTaps.of(in.width(), width, filter, 0, width);
    FilterTaps rows = FilterTaps.of(in.height(), height, filter, 0, height);
    boolean wide = in.width() != width;
    boolean high = in.height() != height;
    float[] out = new float[Math.multiplyExact(3, Math.multiplyExact(width, height))];
    float[] line = new float[in.width()];
    float[] narrow = new float[Math.multiplyExact(width, in.height())];
    for (int c = 0; c < 3; c++) {
      for (int y = 0; y < in.height(); y++) {
        for (int x = 0; x < line.length; x++) {
          line[x] = (in.rgb()[3 * (y * in.width() + x) + c] & 0xFF) * scale;
        }
        if (wide) across(line, columns, narrow, y * width);
        else System.arraycopy(line, 0, narrow, y * width, width);
      }
      int plane = c * width * height;
      if (high) down(narrow, width, rows, out, plane);
      else System.arraycopy(narrow, 0, out, plane, width * height);
    }
    return out;
  }

  private static void across(float[] line, FilterTaps taps, float[] out, int to) {
    for (int x = 0; x < taps.first().length; x++) {
      double sum = 0;
      for (int k = 0; k < taps.count()[x]; k++) {
        sum += line[taps.first()[x] + k] * taps.weights()[x * taps.width() + k];
      }
      out[to + x] = (float) sum;
    }
  }

  private static void down(float[] in, int width, FilterTaps taps, float[] out, int to) {
    double[] sums = new double[width];
    for (int y = 0; y < taps.first().length; y++) {
      Arrays.fill(sums, 0);
      for (int k = 0; k < taps.count()[y]; k++) {
        double weight = taps.weights()[y * taps.width() + k];
        int from = (taps.first()[y] + k) * width;
        for (int x = 0; x < width; x++) sums[x] += in[from + x] * weight;
      }
      for (int x = 0; x < width; x++) out[to + y * width + x] = (float) sums[x];
    }
  }
}
