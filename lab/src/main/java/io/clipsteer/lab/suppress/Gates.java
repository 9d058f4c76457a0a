// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.Progress;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Learns which units to edit together. Each unit has a gate α in (0, 2.5), and its activation
 * becomes {@code f + α(f' − f)}. The gates lower a smooth error of the answers, in which groups
 * weigh more the worse they are (group DRO, Sagawa et al. 2020), plus a penalty on Σα, by Adam on
 * their logits.
 */
final class Gates {
  /** Steps; each passes one batch of every group. */
  static final int STEPS = 60;

  private static final double RATE = 0.1;
  private static final double START = -3;
  private static final double MOST = 2.5;
  private static final double PENALTY = 2e-3;
  private static final double TEMPER = 0.2;

  private final double[] logits;
  private final double[] first;
  private final double[] second;

  private Gates(int units) {
    logits = new double[units];
    Arrays.fill(logits, START);
    first = new double[units];
    second = new double[units];
  }

  /**
   * Learns.
   *
   * @param images of every group
   * @param units number of gates
   * @return the gates; 0 for units whose gate did not rise
   */
  static double[] learn(TrialImages.Gated images, int units, Progress progress) {
    Gates gates = new Gates(units);
    double[] weights = new double[images.groups()];
    Arrays.fill(weights, 1.0 / weights.length);
    try (var task = progress.start("learning gates of features", STEPS, "steps")) {
      for (int step = 0; step < STEPS; step++) {
        float[] alpha = gates.alpha();
        double[] losses = new double[weights.length];
        float[] gradient = images.gradient(alpha, weights, losses, step);
        gates.step(gradient, alpha, step);
        double sum = 0;
        for (int g = 0; g < weights.length; g++) {
          weights[g] *= Math.exp(TEMPER * losses[g]);
          sum += weights[g];
        }
        for (int g = 0; g < weights.length; g++) weights[g] /= sum;
        task.advance(1, images.flops());
      }
    }
    float[] alpha = gates.alpha();
    double start = MOST * sigmoid(START);
    return IntStream.range(0, units).mapToDouble(j -> alpha[j] > start ? alpha[j] : 0).toArray();
  }

  private float[] alpha() {
    float[] alpha = new float[logits.length];
    for (int j = 0; j < alpha.length; j++) alpha[j] = (float) (MOST * sigmoid(logits[j]));
    return alpha;
  }

  private void step(float[] gradient, float[] alpha, int step) {
    for (int j = 0; j < logits.length; j++) {
      double slope = (gradient[j] + PENALTY) * alpha[j] * (1 - alpha[j] / MOST);
      first[j] = 0.9 * first[j] + 0.1 * slope;
      second[j] = 0.99 * second[j] + 0.01 * slope * slope;
      double mean = first[j] / (1 - Math.pow(0.9, step + 1));
      double square = second[j] / (1 - Math.pow(0.99, step + 1));
      logits[j] -= RATE * mean / (Math.sqrt(square) + 1e-8);
    }
  }

  private static double sigmoid(double x) {
    return 1 / (1 + Math.exp(-x));
  }
}
