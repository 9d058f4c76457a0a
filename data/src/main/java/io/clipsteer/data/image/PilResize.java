// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import java.util.Arrays;

/**
 * {@code PIL.Image.resize} for 8-bit RGB, bit for bit: two separable passes with 22-bit fixed-point
 * coefficients, columns first, each rounded to 8 bits. Only the requested part of the result is
 * computed, and only the source rows that it needs.
 */
public final class PilResize {
  /** PIL's {@code PRECISION_BITS}: 32 bits less 8 of the sample, less 2 of headroom. */
  private static final int BITS = 32 - 8 - 2;

  private static final int HALF = 1 << (BITS - 1);

  private PilResize() {}

  /** PIL's filters; the antialiased ones widen with the reduction. */
  public enum Filter {
    NEAREST(0),
    BOX(0.5),
    BILINEAR(1),
    HAMMING(1),
    BICUBIC(2),
    LANCZOS(3);

    final double support;

    Filter(double support) {
      this.support = support;
    }

    double weight(double at) {
      double x = Math.abs(at);
      return switch (this) {
        case NEAREST, BOX -> at > -0.5 && at <= 0.5 ? 1 : 0;
        case BILINEAR -> x < 1 ? 1 - x : 0;
        case HAMMING -> hamming(x);
        case BICUBIC -> cubic(x);
        case LANCZOS -> at >= -3 && at < 3 ? sinc(at) * sinc(at / 3) : 0;
      };
    }

    private static double hamming(double x) {
      if (x == 0) return 1;
      if (x >= 1) return 0;
      double t = x * Math.PI;
      return Math.sin(t) / t * (0.54 + 0.46 * Math.cos(t));
    }

    private static double cubic(double x) {
      double a = -0.5;
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
      return 0;
    }

    private static double sinc(double x) {
      if (x == 0) return 1;
      double t = x * Math.PI;
      return Math.sin(t) / t;
    }
  }

  /** For each wanted output sample: its first source sample, how many, and their weights. */
  private record Taps(int[] first, int[] count, int[] weights, int width) {

    /** Taps for the output samples {@code from} to {@code from + n} of {@code outSize}. */
    static Taps of(int inSize, int outSize, Filter filter, int from, int n) {
      FilterTaps exact = FilterTaps.of(inSize, outSize, filter, from, n);
      int[] weights = new int[exact.weights().length];
      for (int i = 0; i < weights.length; i++) {
        double w = exact.weights()[i];
        weights[i] = (int) (w * (1 << BITS) + (w < 0 ? -0.5 : 0.5));
      }
      return new Taps(exact.first(), exact.count(), weights, exact.width());
    }

    int lowest() {
      return first[0];
    }

    int beyond() {
      return first[first.length - 1] + count[count.length - 1];
    }
  }

  /** The whole image at {@code width} by {@code height}. */
  public static RgbImage resize(RgbImage in, int width, int height, Filter filter) {
    return resize(in, width, height, filter, 0, 0, width, height);
  }

  /**
   * The part {@code (x, y, w, h)} of the image at {@code width} by {@code height}; equal to
   * cropping the whole result.
   */
  public static RgbImage resize(
      RgbImage in, int width, int height, Filter filter, int x, int y, int w, int h) {
    if (width < 1 || height < 1 || x < 0 || y < 0 || w < 1 || h < 1) {
      throw new IllegalArgumentException("no such size or part");
    }
    if (x + w > width || y + h > height) throw new IllegalArgumentException("part is outside");
    if (in.width() == width && in.height() == height) return in.crop(x, y, w, h);
    if (filter == Filter.NEAREST) return nearest(in, width, height, x, y, w, h);
    Taps rows = Taps.of(in.height(), height, filter, y, h);
    Taps columns = Taps.of(in.width(), width, filter, x, w);
    // Pillow 13 runs the vertical pass first where that saves much; older ones never do. The
    // rounding between the passes makes the order visible.
    boolean verticalFirst = in.height() - height > Math.max(0, 2 * (in.width() - width));
    if (verticalFirst) {
      int left = in.width() == width ? x : columns.lowest();
      int needed = in.width() == width ? w : columns.beyond() - left;
      byte[] low = vertical(in.rgb(), 3 * in.width(), 3 * left, 0, rows, 3 * needed);
      if (in.width() == width) return new RgbImage(w, h, low);
      return new RgbImage(w, h, horizontal(low, 3 * needed, 0, left, columns, h));
    }
    int top = in.height() == height ? y : rows.lowest();
    int needed = in.height() == height ? h : rows.beyond() - top;
    byte[] narrow =
        in.width() == width
            ? in.crop(x, top, w, needed).rgb()
            : horizontal(in.rgb(), 3 * in.width(), top, 0, columns, needed);
    if (in.height() == height) return new RgbImage(w, h, narrow);
    return new RgbImage(w, h, vertical(narrow, 3 * w, 0, top, rows, 3 * w));
  }

  /** {@code rows} rows from {@code top} on, whose first column is the image's {@code left}. */
  private static byte[] horizontal(
      byte[] in, int inStride, int top, int left, Taps columns, int rows) {
    int stride = 3 * columns.first.length;
    byte[] out = new byte[rows * stride];
    for (int row = 0; row < rows; row++) {
      horizontalRow(in, (top + row) * inStride - 3 * left, columns, out, row * stride);
    }
    return out;
  }

  private static void horizontalRow(byte[] in, int from, Taps taps, byte[] out, int to) {
    int[] weights = taps.weights;
    for (int x = 0, o = to; x < taps.first.length; x++, o += 3) {
      int red = HALF;
      int green = HALF;
      int blue = HALF;
      int i = from + 3 * taps.first[x];
      int k = x * taps.width;
      for (int end = k + taps.count[x]; k < end; k++, i += 3) {
        int weight = weights[k];
        red += (in[i] & 0xFF) * weight;
        green += (in[i + 1] & 0xFF) * weight;
        blue += (in[i + 2] & 0xFF) * weight;
      }
      out[o] = clip(red);
      out[o + 1] = clip(green);
      out[o + 2] = clip(blue);
    }
  }

  /** Bytes {@code left} to {@code left + rowBytes} of rows, the first being {@code top}. */
  private static byte[] vertical(
      byte[] in, int inStride, int left, int top, Taps taps, int rowBytes) {
    int rows = taps.first.length;
    byte[] out = new byte[rows * rowBytes];
    int[] sums = new int[rowBytes];
    for (int y = 0; y < rows; y++) {
      Arrays.fill(sums, HALF);
      for (int k = 0; k < taps.count[y]; k++) {
        int from = (taps.first[y] + k - top) * inStride + left;
        accumulate(in, from, taps.weights[y * taps.width + k], sums);
      }
      int to = y * rowBytes;
      for (int i = 0; i < rowBytes; i++) out[to + i] = clip(sums[i]);
    }
    return out;
  }

  /** Kept apart and plain, so that the compiler turns it into vector instructions. */
  private static void accumulate(byte[] in, int from, int weight, int[] sums) {
    for (int i = 0; i < sums.length; i++) sums[i] += (in[from + i] & 0xFF) * weight;
  }

  private static byte clip(int sum) {
    return (byte) Math.min(Math.max(sum >> BITS, 0), 255);
  }

  private static RgbImage nearest(RgbImage in, int width, int height, int x, int y, int w, int h) {
    int[] columns = nearestIndex(in.width(), width, x, w);
    int[] rows = nearestIndex(in.height(), height, y, h);
    byte[] out = new byte[3 * w * h];
    for (int row = 0, o = 0; row < h; row++) {
      for (int column = 0; column < w; column++, o += 3) {
        System.arraycopy(in.rgb(), 3 * (rows[row] * in.width() + columns[column]), out, o, 3);
      }
    }
    return new RgbImage(w, h, out);
  }

  /** PIL adds the step up instead of multiplying; so the rounding is the same here. */
  private static int[] nearestIndex(int inSize, int outSize, int from, int n) {
    int[] index = new int[n];
    double step = (double) inSize / outSize;
    double at = step * 0.5;
    for (int i = 0; i < from; i++) at += step;
    for (int i = 0; i < n; i++, at += step) index[i] = Math.min((int) at, inSize - 1);
    return index;
  }
}
