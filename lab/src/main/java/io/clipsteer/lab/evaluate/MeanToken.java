// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

/** The mean of tokens [d], summed in double; for one thread. */
final class MeanToken {
  private final double[] sum;
  private long tokens;

  MeanToken(int width) {
    sum = new double[width];
  }

  /**
   * Adds tokens.
   *
   * @param rows row-major [n,d]
   */
  void add(float[] rows) {
    for (int i = 0; i < rows.length; i++) sum[i % sum.length] += rows[i];
    tokens += rows.length / sum.length;
  }

  long tokens() {
    return tokens;
  }

  /** The mean [d]; NaN before the first token. */
  double[] mean() {
    double[] mean = new double[sum.length];
    for (int j = 0; j < mean.length; j++) mean[j] = sum[j] / tokens;
    return mean;
  }

  /** The same in fp32. */
  float[] floats() {
    float[] mean = new float[sum.length];
    for (int j = 0; j < mean.length; j++) mean[j] = (float) (sum[j] / tokens);
    return mean;
  }
}
