// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.cue;

/**
 * Two-class logistic regression without intercept on embeddings of unit length, the usual linear
 * probe: the minimum of mean log(1 + exp(−y·w·x)) + λ/2·‖w‖², by accelerated gradient descent
 * (Nesterov 1983, for strongly convex functions).
 */
public final class LinearProbe {
  private static final double DECAY = 1e-5;
  private static final int STEPS = 3000;

  /** Curvature is at most ¼·mean ‖x‖², and rows have unit length. */
  private static final double CURVATURE = 0.25 + DECAY;

  private LinearProbe() {}

  /**
   * Fits.
   *
   * @param rows embeddings [n,width]
   * @param positive class of each
   * @return w; the class is the sign of w·x
   */
  public static double[] fit(float[] rows, boolean[] positive, int width) {
    double[] w = new double[width];
    double[] ahead = new double[width];
    double momentum = (1 - Math.sqrt(DECAY / CURVATURE)) / (1 + Math.sqrt(DECAY / CURVATURE));
    double[] gradient = new double[width];
    for (int step = 0; step < STEPS; step++) {
      for (int j = 0; j < width; j++) gradient[j] = DECAY * ahead[j];
      for (int i = 0; i < positive.length; i++) {
        double y = positive[i] ? 1 : -1;
        double score = 0;
        for (int j = 0; j < width; j++) score += ahead[j] * rows[i * width + j];
        double pull = -y / (1 + Math.exp(y * score)) / positive.length;
        for (int j = 0; j < width; j++) gradient[j] += pull * rows[i * width + j];
      }
      for (int j = 0; j < width; j++) {
        double next = ahead[j] - gradient[j] / CURVATURE;
        ahead[j] = next + momentum * (next - w[j]);
        w[j] = next;
      }
    }
    return w;
  }
}
