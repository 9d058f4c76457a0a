// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

/**
 * Area under the ROC curve: how probably a positive scores above a negative, ties counted half.
 *
 * @param value 0 to 1
 * @param low lower end of the 95 % interval
 * @param high upper end of the 95 % interval
 */
public record Auroc(double value, double low, double high) {
  /** The normal distribution's 97.5 % point. */
  private static final double Z = 1.959963984540054;

  private static final int HALVINGS = 32;

  /**
   * With the interval of Newcombe 2006 (part 2, method 5): all θ with {@code |A − θ| ≤ z·√(θ(1−θ)(1
   * + N*(1−θ)/(2−θ) + N*θ/(1+θ))/(mn))}, {@code N* = (m+n)/2 − 1}. It is Hanley and McNeil's
   * variance taken at θ instead of at A, as Wilson's interval is for a share: an A of 1 has an
   * interval too.
   *
   * @param value A, 0 to 1
   * @param positives m, at least 1
   * @param negatives n, at least 1
   */
  public static Auroc of(double value, long positives, long negatives) {
    if (!(value >= 0 && value <= 1) || positives < 1 || negatives < 1) {
      throw new IllegalArgumentException(value + " of " + positives + ", " + negatives);
    }
    return new Auroc(
        value,
        end(value, 0, (double) positives, (double) negatives),
        end(value, 1, (double) positives, (double) negatives));
  }

  /** Between A, which is inside, and the far end, which is outside or the end itself. */
  private static double end(double value, double far, double m, double n) {
    double inside = value;
    double outside = far;
    for (int i = 0; i < HALVINGS; i++) {
      double middle = (inside + outside) / 2;
      if (Math.abs(value - middle) <= Z * deviation(middle, m, n)) inside = middle;
      else outside = middle;
    }
    return inside;
  }

  private static double deviation(double theta, double m, double n) {
    double star = (m + n) / 2 - 1;
    double factor = 1 + star * (1 - theta) / (2 - theta) + star * theta / (1 + theta);
    return Math.sqrt(theta * (1 - theta) * factor / (m * n));
  }
}
