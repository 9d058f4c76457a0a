// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * The 95 % interval of a figure: percentiles over bootstrap samples (Efron 1979) of the units that
 * it is computed from.
 *
 * @param samples in which the figure is defined; the interval is of these
 * @param undefined samples in which the figure is not defined
 */
public record Bootstrap(double low, double high, int samples, int undefined) {
  /** Share of samples beyond each end of an interval that is not widened. */
  public static final double TAIL = 0.025;

  /**
   * Samples units with replacement, each group on its own and as many as it has.
   *
   * @param groups number of units of each group, at least 1
   * @param samples at least 1
   * @param tail share of samples beyond each end
   * @param figure from how often each unit counts, group after group; NaN where it is not defined
   * @return null where the figure is not defined in any sample
   */
  public static @Nullable Bootstrap of(
      int[] groups, int samples, long seed, double tail, ToDoubleFunction<int[]> figure) {
    int[] times = new int[Arrays.stream(groups).sum()];
    var random = new SplittableRandom(seed);
    double[] figures = new double[samples];
    int defined = 0;
    for (int s = 0; s < samples; s++) {
      Arrays.fill(times, 0);
      int first = 0;
      for (int units : groups) {
        for (int k = 0; k < units; k++) times[first + random.nextInt(units)]++;
        first += units;
      }
      double one = figure.applyAsDouble(times);
      if (!Double.isNaN(one)) figures[defined++] = one;
    }
    if (defined == 0) return null;
    Arrays.sort(figures, 0, defined);
    int cut = (int) (tail * defined);
    return new Bootstrap(figures[cut], figures[defined - 1 - cut], defined, samples - defined);
  }

  /**
   * The tail that makes the interval of a mean as wide as Student's t makes it: {@code
   * Φ(−√(n/(n−1))·t)}, the expanded percentile interval (Hesterberg 2015). The bootstrap of n units
   * has (n − 1)/n of the variance of their mean, and its percentiles are the normal distribution's.
   *
   * @param units n, at least 2
   */
  public static double tail(int units) {
    if (units < 2) throw new IllegalArgumentException(units + " units");
    return tail(units / (units - 1.0), units - 1);
  }

  /**
   * The same for the difference of two means, with Welch's degrees of freedom (1947).
   *
   * @param first one number a unit, at least 2
   * @param second of the other group, at least 2
   */
  public static double tail(double[] first, double[] second) {
    int n = first.length;
    int m = second.length;
    if (n < 2 || m < 2) throw new IllegalArgumentException(n + " and " + m + " units");
    double one = variance(first);
    double other = variance(second);
    double squares = one * one / (n - 1) + other * other / (m - 1);
    if (squares == 0) return TAIL;
    double resampled = one * (n - 1) / n + other * (m - 1) / m;
    // Rounding must not take a degree away.
    int degrees = (int) ((one + other) * (one + other) / squares + 1e-9);
    return tail((one + other) / resampled, degrees);
  }

  /** With the ratio of the mean's variance to the bootstrap's. */
  private static double tail(double ratio, int degrees) {
    return MeanDifference.twoSided(Math.sqrt(ratio) * Mean.student(degrees)) / 2;
  }

  /** Of the mean of numbers. */
  private static double variance(double[] values) {
    int n = values.length;
    double mean = Arrays.stream(values).sum() / n;
    return Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum() / (n - 1) / n;
  }
}
