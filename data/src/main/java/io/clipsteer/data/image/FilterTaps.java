// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

/**
 * The weights of a resizing along one axis, as PIL and PyTorch's antialiased interpolation have
 * them: for each output sample its first source sample, how many there are, and their weights.
 *
 * @param weights {@code width} numbers an output sample, of which {@code count} are used
 */
record FilterTaps(int[] first, int[] count, double[] weights, int width) {

  /** Taps for the output samples {@code from} to {@code from + n} of {@code outSize}. */
  static FilterTaps of(int inSize, int outSize, PilResize.Filter filter, int from, int n) {
    double scale = (double) inSize / outSize;
    double filterScale = Math.max(scale, 1.0);
    double support = filter.support * filterScale;
    int width = (int) Math.ceil(support) * 2 + 1;
    int[] first = new int[n];
    int[] count = new int[n];
    double[] weights = new double[Math.multiplyExact(n, width)];
    double inverse = 1.0 / filterScale;
    for (int i = 0; i < n; i++) {
      double centre = (from + i + 0.5) * scale;
      int lowest = Math.max((int) (centre - support + 0.5), 0);
      int taps = Math.min((int) (centre + support + 0.5), inSize) - lowest;
      int at = i * width;
      double sum = 0;
      for (int k = 0; k < taps; k++) {
        weights[at + k] = filter.weight((k + lowest - centre + 0.5) * inverse);
        sum += weights[at + k];
      }
      for (int k = 0; k < taps && sum != 0; k++) weights[at + k] /= sum;
      first[i] = lowest;
      count[i] = taps;
    }
    return new FilterTaps(first, count, weights, width);
  }
}
