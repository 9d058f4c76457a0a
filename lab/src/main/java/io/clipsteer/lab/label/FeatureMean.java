// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import io.clipsteer.data.stats.Bootstrap;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The mean over features of each feature's mean answer, such as an accuracy, with its 95 %
 * interval. Answers about one feature depend on each other, so features are resampled and not
 * answers. The percentiles of the samples are widened to Student's t: plain ones would hold the
 * truth too seldom. Features without answers are skipped. Where all features have the same mean,
 * samples cannot tell how far it may be from the truth, and there is no interval.
 *
 * @param value null without features
 * @param interval over 2,000 bootstrap samples of features; null where fewer than two features, or
 *     where all have the same mean
 * @param features number of features that have answers, of a difference those of both groups
 */
public record FeatureMean(@Nullable Double value, @Nullable Bootstrap interval, int features) {
  private static final int SAMPLES = 2000;

  /**
   * Of one group of features.
   *
   * @param answers [features][answers], 1 for a right one and 0 for a wrong one, or any number
   */
  public static FeatureMean of(List<double[]> answers, long seed) {
    double[] means = means(answers);
    int n = means.length;
    if (n == 0) return new FeatureMean(null, null, 0);
    double value = Arrays.stream(means).sum() / n;
    if (areEqual(means)) return new FeatureMean(value, null, n);
    Bootstrap interval =
        Bootstrap.of(
            new int[] {n}, SAMPLES, seed, Bootstrap.tail(n), times -> mean(means, times, 0));
    return new FeatureMean(value, interval, n);
  }

  /**
   * The first group's mean minus the second's. Both are resampled independently; the interval is
   * null where one has fewer than two features, or where the features of neither differ; the value
   * where one has none.
   *
   * @param first [features][answers]
   * @param second [features][answers] of other features
   */
  public static FeatureMean difference(List<double[]> first, List<double[]> second, long seed) {
    double[] ones = means(first);
    double[] others = means(second);
    int n = ones.length;
    int m = others.length;
    if (n == 0 || m == 0) return new FeatureMean(null, null, n + m);
    double value = Arrays.stream(ones).sum() / n - Arrays.stream(others).sum() / m;
    if (n == 1 || m == 1 || (areEqual(ones) && areEqual(others))) {
      return new FeatureMean(value, null, n + m);
    }
    Bootstrap interval =
        Bootstrap.of(
            new int[] {n, m},
            SAMPLES,
            seed,
            Bootstrap.tail(ones, others),
            times -> mean(ones, times, 0) - mean(others, times, n));
    return new FeatureMean(value, interval, n + m);
  }

  private static boolean areEqual(double[] means) {
    return Arrays.stream(means).allMatch(one -> one == means[0]);
  }

  private static double[] means(List<double[]> answers) {
    return answers.stream()
        .filter(own -> own.length > 0)
        .mapToDouble(own -> Arrays.stream(own).sum() / own.length)
        .toArray();
  }

  /** Mean of a sample, as large as its group. */
  private static double mean(double[] means, int[] times, int first) {
    double sum = 0;
    for (int k = 0; k < means.length; k++) sum += times[first + k] * means[k];
    return sum / means.length;
  }
}
