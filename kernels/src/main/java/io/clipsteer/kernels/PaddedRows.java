// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * The images' rows, padded to whole vectors with logits so low that their exponentials are 0.
 *
 * @param stride length of a row
 * @param minusBefore the probabilities without the edit, negated
 * @param high largest entry of each row of own
 * @param commonLow smallest entry of common
 * @param commonHigh largest entry of common
 */
record PaddedRows(
    int stride,
    float[] own,
    float[] minusBefore,
    float[] common,
    float[] high,
    float commonLow,
    float commonHigh) {
  private static final float PADDING = -1e30f;

  static PaddedRows of(SteerKernels.Answers answers, int units, int lanes) {
    int words = answers.words();
    int stride = (words + lanes - 1) / lanes * lanes;
    int count = answers.perUnit() ? units * answers.images() : answers.images();
    float[] own = padded(answers.own(), count, words, stride, PADDING);
    float[] before = padded(answers.before(), answers.images(), words, stride, 0);
    for (int i = 0; i < before.length; i++) before[i] = -before[i];
    float[] common = padded(answers.common(), 1, words, stride, 0);
    float[] high = new float[count];
    for (int r = 0; r < count; r++) high[r] = extreme(own, r * stride, words, 1);
    float low = extreme(common, 0, words, -1);
    return new PaddedRows(stride, own, before, common, high, low, extreme(common, 0, words, 1));
  }

  private static float[] padded(MemorySegment from, int rows, int words, int stride, float fill) {
    float[] to = new float[Math.multiplyExact(rows, stride)];
    for (int r = 0; r < rows; r++) {
      MemorySegment.copy(
          from, ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * r * words, to, r * stride, words);
      Arrays.fill(to, r * stride + words, (r + 1) * stride, fill);
    }
    return to;
  }

  /** The largest entry, or for a sign of −1 the smallest. */
  static float extreme(float[] values, int from, int count, int sign) {
    float best = values[from];
    for (int i = from + 1; i < from + count; i++) {
      if (sign * values[i] > sign * best) best = values[i];
    }
    return best;
  }
}
