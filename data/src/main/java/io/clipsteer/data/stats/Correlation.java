// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

import java.util.Arrays;
import java.util.Comparator;

/**
 * A product-moment correlation.
 *
 * @param value −1 to 1
 * @param low lower end of the 95 % interval
 * @param high upper end of the 95 % interval
 */
public record Correlation(double value, double low, double high) {
  /**
   * With Fisher's interval, {@code tanh(artanh r ± z/√(n−3))}; of fewer than four pairs it is −1 to
   * 1.
   *
   * @param value r; rounding beyond −1 and 1 is cut off
   * @param n pairs
   */
  public static Correlation of(double value, long n) {
    double r = Math.clamp(value, -1.0, 1.0);
    return around(r, n, Mean.Z / Math.sqrt(n - 3.0));
  }

  /** The interval is {@code tanh(artanh r ± half)}. */
  private static Correlation around(double r, long n, double half) {
    if (n < 4) return new Correlation(r, -1, 1);
    if (Math.abs(r) == 1) return new Correlation(r, r, r);
    double middle = 0.5 * Math.log((1 + r) / (1 - r));
    return new Correlation(r, Math.tanh(middle - half), Math.tanh(middle + half));
  }

  /**
   * Point-biserial: between a score and belonging to a group.
   *
   * @param positives members of the group, 1 to n − 1
   * @param n all
   * @param positiveSum of the members' scores
   * @param sum of all scores
   * @param squares of all scores, summed
   */
  public static Correlation pointBiserial(
      long positives, long n, double positiveSum, double sum, double squares) {
    double variance = squares / n - sum / n * (sum / n);
    double share = (double) positives / n;
    double covariance = positiveSum / n - share * (sum / n);
    double scale = Math.sqrt(Math.max(variance, 0) * share * (1 - share));
    return of(scale > 0 ? covariance / scale : 0, n);
  }

  /**
   * Spearman's, of ranks, equal numbers sharing their mean rank; with Bonett and Wright's interval
   * (2000), {@code tanh(artanh r ± z·√((1 + r²/2)/(n − 3)))}. Where one side has but one value, 0.
   *
   * @param a numbers without NaN
   * @param b as many
   */
  public static Correlation spearman(double[] a, double[] b) {
    int n = a.length;
    if (b.length != n) throw new IllegalArgumentException(n + " and " + b.length + " numbers");
    double[] x = ranks(a);
    double[] y = ranks(b);
    double middle = (n + 1) / 2.0;
    double r = r(x, middle, y, middle);
    return around(r, n, Mean.Z * Math.sqrt((1 + r * r / 2) / (n - 3.0)));
  }

  /**
   * Pearson's coefficient without an interval, for many at once; 0 where one of both is constant.
   *
   * @param a numbers without NaN, at least one
   * @param b as many
   */
  public static double pearson(double[] a, double[] b) {
    return r(a, mean(a), b, mean(b));
  }

  private static double mean(double[] values) {
    double mean = 0;
    for (double value : values) mean += value / values.length;
    return mean;
  }

  private static double r(double[] x, double meanX, double[] y, double meanY) {
    double xy = 0;
    double xx = 0;
    double yy = 0;
    for (int i = 0; i < x.length; i++) {
      xy += (x[i] - meanX) * (y[i] - meanY);
      xx += (x[i] - meanX) * (x[i] - meanX);
      yy += (y[i] - meanY) * (y[i] - meanY);
    }
    return xx > 0 && yy > 0 ? Math.clamp(xy / Math.sqrt(xx * yy), -1.0, 1.0) : 0;
  }

  private static double[] ranks(double[] values) {
    Integer[] order = new Integer[values.length];
    Arrays.setAll(order, i -> i);
    Arrays.sort(order, Comparator.comparingDouble(i -> values[i]));
    double[] ranks = new double[values.length];
    int from = 0;
    while (from < order.length) {
      int to = from + 1;
      while (to < order.length && values[order[to]] == values[order[from]]) to++;
      for (int k = from; k < to; k++) ranks[order[k]] = (from + 1 + to) / 2.0;
      from = to;
    }
    return ranks;
  }
}
