// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

/**
 * The exact test of McNemar for answers to the same questions before and after a change.
 *
 * @param gained wrong before and right after
 * @param lost right before and wrong after
 * @param p two-sided: 2·P(X ≤ min(gained, lost)), X binomial over gained + lost with ½, at most 1
 */
public record McNemar(int gained, int lost, double p) {
  private static final int HALVINGS = 40;
  private static final double[] LOGS = new double[1 << 15];

  static {
    for (int i = 2; i < LOGS.length; i++) LOGS[i] = LOGS[i - 1] + Math.log(i);
  }

  /** Tests; both at least 0. */
  public static McNemar of(int gained, int lost) {
    if (gained < 0 || lost < 0) throw new IllegalArgumentException(gained + ", " + lost);
    double tail = 0;
    for (int i = 0; i <= Math.min(gained, lost); i++) tail += binomial(gained + lost, i, 0.5);
    return new McNemar(gained, lost, Math.min(1, 2 * tail));
  }

  /**
   * How probably the test comes out with p ≤ alpha: exact, summed over all numbers of changed
   * answers.
   *
   * @param n questions, at least 1
   * @param gain probability that a question is wrong before and right after
   * @param loss that it is right before and wrong after; together at most 1
   */
  public static double power(int n, double gain, double loss, double alpha) {
    double changed = gain + loss;
    if (n < 1 || gain < 0 || loss < 0 || changed > 1 + 1e-12) {
      throw new IllegalArgumentException(n + " questions, " + gain + ", " + loss);
    }
    if (changed == 0) return 0;
    double power = 0;
    for (int m = 1; m <= n; m++) {
      double so = binomial(n, m, Math.min(1, changed));
      if (so < 1e-14) continue;
      power += so * rejected(m, gain / changed, alpha);
    }
    return Math.min(1, power);
  }

  /** Of m changed answers, each gained with probability {@code share}, that p ≤ alpha. */
  private static double rejected(int m, double share, double alpha) {
    double tail = 0;
    double rejected = 0;
    for (int i = 0; 2 * i < m; i++) {
      tail += binomial(m, i, 0.5);
      if (2 * tail > alpha) break;
      rejected += binomial(m, i, share) + binomial(m, m - i, share);
    }
    return rejected;
  }

  /**
   * The smallest share of gained answers that the test finds with probability {@code power}, where
   * {@code loss} of the answers are lost besides; NaN where not even 1 − loss is found.
   */
  public static double smallestGain(int n, double loss, double alpha, double power) {
    double low = loss;
    double high = 1 - loss;
    if (high <= low || power(n, high, loss, alpha) < power) return Double.NaN;
    for (int i = 0; i < HALVINGS; i++) {
      double middle = (low + high) / 2;
      if (power(n, middle, loss, alpha) >= power) high = middle;
      else low = middle;
    }
    return high;
  }

  /** P(X = k) of n trials, through logarithms: the coefficients overflow. */
  private static double binomial(int n, int k, double p) {
    if (p <= 0 || p >= 1) return k == (p <= 0 ? 0 : n) ? 1 : 0;
    return Math.exp(
        logFactorial(n)
            - logFactorial(k)
            - logFactorial(n - k)
            + k * Math.log(p)
            + (n - k) * Math.log1p(-p));
  }

  /** ln n!; from 2^15 on by Stirling's series, whose error is then below 1e-20. */
  private static double logFactorial(int n) {
    if (n < LOGS.length) return LOGS[n];
    double x = n + 1.0;
    return (x - 0.5) * Math.log(x)
        - x
        + 0.5 * Math.log(2 * Math.PI)
        + 1 / (12 * x)
        - 1 / (360 * x * x * x);
  }
}
