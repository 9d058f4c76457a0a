// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

/**
 * What a number of answers can show, by the normal approximation.
 *
 * <p>Accuracies of features are taken to differ by a standard deviation of {@value #SPREAD} beside
 * the chance of single answers.
 */
public final class StudyPower {
  /** Assumed standard deviation of features' true accuracies. */
  public static final double SPREAD = 0.18;

  private static final double TWO_SIDED = 1.959964;
  private static final double POWER_80 = 0.841621;

  private StudyPower() {}

  /** Half the 95 % interval of one feature's accuracy. */
  public static double halfWidth(double accuracy, int answers) {
    return TWO_SIDED * Math.sqrt(accuracy * (1 - accuracy) / answers);
  }

  /**
   * Features in each of two groups that tell two mean accuracies apart at 5 %, with power 0.8.
   *
   * @param answers to each feature
   */
  public static int features(double first, double second, int answers) {
    double sum = variance(first, answers) + variance(second, answers);
    double z = TWO_SIDED + POWER_80;
    return (int) Math.ceil(z * z * sum / ((first - second) * (first - second)));
  }

  private static double variance(double accuracy, int answers) {
    return SPREAD * SPREAD + accuracy * (1 - accuracy) / answers;
  }
}
