// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import io.clipsteer.lab.run.StatePort;
import org.jspecify.annotations.Nullable;

/** Cross-entropy and accuracy of zero-shot answers, summed in double. */
final class AnswerTally {
  private final double scale;
  private long judged;
  private long right;
  private double scaled;
  private double raw;

  /**
   * No image yet.
   *
   * @param scale of the cosines, exp(logit_scale)
   */
  AnswerTally(double scale) {
    this.scale = scale;
  }

  /**
   * Adds images.
   *
   * @param cosines row-major [n,words]
   * @param truth row of each image's class, −1 for an image without a class
   */
  void add(float[] cosines, int[] truth) {
    int words = cosines.length / truth.length;
    for (int i = 0; i < truth.length; i++) {
      if (truth[i] < 0) continue;
      int at = i * words;
      judged++;
      scaled += surprise(cosines, at, words, truth[i], scale);
      raw += surprise(cosines, at, words, truth[i], 1);
      int best = 0;
      for (int w = 1; w < words; w++) if (cosines[at + w] > cosines[at + best]) best = w;
      if (best == truth[i]) right++;
    }
  }

  /** Adds the images of another tally of the same scale. */
  void add(AnswerTally next) {
    judged += next.judged;
    right += next.right;
    scaled += next.scaled;
    raw += next.raw;
  }

  /** Moves the state to a stream or from it. */
  void move(StatePort port) {
    judged = port.number(judged);
    right = port.number(right);
    scaled = port.number(scaled);
    raw = port.number(raw);
  }

  /** −ln softmax(factor · cosines) of the class. */
  private static double surprise(float[] cosines, int at, int words, int truth, double factor) {
    double max = Double.NEGATIVE_INFINITY;
    for (int w = 0; w < words; w++) max = Math.max(max, factor * cosines[at + w]);
    double sum = 0;
    for (int w = 0; w < words; w++) sum += Math.exp(factor * cosines[at + w] - max);
    return max + Math.log(sum) - factor * cosines[at + truth];
  }

  long judged() {
    return judged;
  }

  /** With the scale. */
  SparsityReport.Quality quality() {
    return new SparsityReport.Quality(
        SparsityReport.finite(scaled / judged), (double) right / judged);
  }

  /** Cross-entropy without the scale, in nats. */
  @Nullable Double rawCrossEntropy() {
    return SparsityReport.finite(raw / judged);
  }
}
