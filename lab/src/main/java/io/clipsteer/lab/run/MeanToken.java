// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

/** The mean of tokens [d], summed in double; for one thread. */
public final class MeanToken {
  private final double[] sum;
  private long tokens;

  /** No token yet. */
  public MeanToken(int width) {
    sum = new double[width];
  }

  /**
   * Adds tokens.
   *
   * @param rows row-major [n,d]
   */
  public void add(float[] rows) {
    for (int i = 0; i < rows.length; i++) sum[i % sum.length] += rows[i];
    tokens += rows.length / sum.length;
  }

  /** Adds the tokens of another sum. */
  public void add(MeanToken next) {
    for (int j = 0; j < sum.length; j++) sum[j] += next.sum[j];
    tokens += next.tokens;
  }

  /** Moves the state to a stream or from it. */
  public void move(StatePort port) {
    port.doubles(sum);
    tokens = port.number(tokens);
  }

  /** Number of tokens. */
  public long tokens() {
    return tokens;
  }

  /** The mean [d]; NaN before the first token. */
  public double[] mean() {
    double[] mean = new double[sum.length];
    for (int j = 0; j < mean.length; j++) mean[j] = sum[j] / tokens;
    return mean;
  }

  /** The same in fp32. */
  public float[] floats() {
    float[] mean = new float[sum.length];
    for (int j = 0; j < mean.length; j++) mean[j] = (float) (sum[j] / tokens);
    return mean;
  }
}
