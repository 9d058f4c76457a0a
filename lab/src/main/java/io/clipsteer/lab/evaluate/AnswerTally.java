// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import io.clipsteer.data.stats.Jackknife;
import io.clipsteer.lab.run.StatePort;
import org.jspecify.annotations.Nullable;

/** Cross-entropy and accuracy of zero-shot answers, summed in double. */
final class AnswerTally {
  private final double scale;
  private long judged;
  private long right;
  private double scaled;
  private double raw;
  private long images;
  private final long[] judgedIn = new long[Jackknife.GROUPS];
  private final double[] rawIn = new double[Jackknife.GROUPS];

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
      int group = (int) (images++ % Jackknife.GROUPS);
      if (truth[i] < 0) continue;
      int at = i * words;
      judged++;
      scaled += surprise(cosines, at, words, truth[i], scale);
      double plain = surprise(cosines, at, words, truth[i], 1);
      raw += plain;
      judgedIn[group]++;
      rawIn[group] += plain;
      int best = 0;
      for (int w = 1; w < words; w++) if (cosines[at + w] > cosines[at + best]) best = w;
      if (best == truth[i]) right++;
    }
  }

  /** Adds the images of the next block, of a tally of the same scale. */
  void add(AnswerTally next) {
    for (int g = 0; g < Jackknife.GROUPS; g++) {
      int group = (int) ((images + g) % Jackknife.GROUPS);
      judgedIn[group] += next.judgedIn[g];
      rawIn[group] += next.rawIn[g];
    }
    images += next.images;
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
    images = port.number(images);
    port.longs(judgedIn);
    port.doubles(rawIn);
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

  /** The same without the images of a group, as {@link Jackknife} numbers them. */
  private double rawWithout(int group) {
    double sum = 0;
    long count = 0;
    for (int g = 0; g < rawIn.length; g++) {
      if (g == group) continue;
      sum += rawIn[g];
      count += judgedIn[g];
    }
    return sum / count;
  }

  /** Interval of the cross-entropy without the scale. */
  Jackknife rawInterval() {
    return Jackknife.of((int) Math.min(images, Integer.MAX_VALUE), this::rawWithout);
  }

  /** Interval of the cross-entropy recovered, without the scale, by ablation to zero. */
  static Jackknife rawRecovered(AnswerTally original, AnswerTally spliced, AnswerTally ablated) {
    return Jackknife.of(
        (int) Math.min(original.images, Integer.MAX_VALUE),
        without -> {
          double worst = ablated.rawWithout(without);
          return (worst - spliced.rawWithout(without)) / (worst - original.rawWithout(without));
        });
  }
}
