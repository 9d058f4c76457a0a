// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The plain reference, in float64: slow, short, obviously right. */
final class ScalarSteer implements SteerKernels {
  /** The only one; it has no state. */
  static final ScalarSteer INSTANCE = new ScalarSteer();

  private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED;

  private ScalarSteer() {}

  @Override
  public void sweep(
      SweepInput answers, MemorySegment directions, double[] weights, int units, UnitSink sink) {
    answers.check(directions, weights, units);
    int words = answers.words();
    for (int u = 0; u < units; u++) {
      double[] sums = new double[answers.groups() * words];
      double squares = 0;
      for (int g = 0; g < answers.groups(); g++) {
        for (int i = answers.start(g); i < answers.start(g + 1); i++) {
          double[] after = after(answers, directions, weights, u, i);
          for (int w = 0; w < words; w++) {
            double change = after[w] - at(answers.before(), (long) i * words + w);
            sums[g * words + w] += change;
            squares += change * change;
          }
        }
      }
      float[] rounded = new float[sums.length];
      for (int k = 0; k < sums.length; k++) rounded[k] = (float) sums[k];
      sink.accept(u, rounded, words, squares);
    }
  }

  private static double[] after(
      SweepInput answers, MemorySegment directions, double[] weights, int u, int i) {
    int words = answers.words();
    int pair = u * answers.images() + i;
    long own = (long) (answers.perUnit() ? pair : i) * words;
    double[] p = new double[words];
    double max = Double.NEGATIVE_INFINITY;
    for (int w = 0; w < words; w++) {
      p[w] =
          weights[pair * WEIGHTS] * at(answers.own(), own + w)
              + weights[pair * WEIGHTS + 1] * at(answers.common(), w)
              + weights[pair * WEIGHTS + 2] * at(directions, (long) u * words + w);
      max = Math.max(max, p[w]);
    }
    double sum = 0;
    for (int w = 0; w < words; w++) {
      p[w] = Math.exp(p[w] - max);
      sum += p[w];
    }
    for (int w = 0; w < words; w++) p[w] /= sum;
    return p;
  }

  private static float at(MemorySegment memory, long index) {
    return memory.get(F32, 4 * index);
  }

  @Override
  public double[] gram(float[] rows, int n, int width, int stride) {
    double[] products = new double[n * n];
    for (int a = 0; a < n; a++) {
      for (int b = 0; b < n; b++) {
        for (int w = 0; w < width; w++) {
          products[a * n + b] += (double) rows[a * stride + w] * rows[b * stride + w];
        }
      }
    }
    return products;
  }

  @Override
  public void total(float[] rows, int n, int width, int stride, double[] sum) {
    for (int w = 0; w < width; w++) {
      sum[w] = 0;
      for (int r = 0; r < n; r++) sum[w] += rows[r * stride + w];
    }
  }
}
