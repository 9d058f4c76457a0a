// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import java.util.SplittableRandom;

/**
 * The bootstrap's samples (Efron 1979) of groups of images, the same for all units: groups are
 * sampled with replacement, and a sample's unbiased S follows from the scalar products of different
 * groups. A group's product with itself would add the differences between images, as often as the
 * group is sampled twice.
 */
final class Resamples {
  /**
   * By the groups' number n from 0 to 16, the percentiles that make a bootstrap interval as wide as
   * Student's t makes the mean's: Φ(−√(n/(n−1))·t₀.₉₇₅,ₙ₋₁), the expanded percentile interval
   * (Hesterberg 2015).
   */
  private static final double[] TAIL = {
    0, 0, 0, 0, 0.000119, 0.000954, 0.002432, 0.004109, 0.005738, 0.007225, 0.008551, 0.009722,
    0.010757, 0.011671, 0.012483, 0.013207, 0.013856
  };

  private final int[] sizes;
  private final int groups;
  private final int samples;

  /** [pairs of groups][samples]: the weight of a pair's product in a sample. */
  private final double[] weights;

  /**
   * Samples groups.
   *
   * @param sizes images of each group
   */
  Resamples(long seed, int[] sizes, int samples) {
    this.sizes = sizes;
    this.groups = sizes.length;
    this.samples = samples;
    weights = new double[groups * (groups - 1) / 2 * samples];
    SplittableRandom random = new SplittableRandom(seed);
    for (int b = 0; b < samples; b++) {
      int[] times = new int[groups];
      for (int k = 0; k < groups; k++) times[random.nextInt(groups)]++;
      double images = 0;
      double squares = 0;
      for (int g = 0; g < groups; g++) {
        double own = (double) times[g] * sizes[g];
        images += own;
        squares += own * own;
      }
      // Pairs of images; 0 where one group was sampled every time.
      double pairs = images * images - squares;
      int pair = 0;
      for (int g = 0; g < groups; g++) {
        for (int h = g + 1; h < groups; h++) {
          weights[pair++ * samples + b] = pairs > 0 ? 2.0 * times[g] * times[h] / pairs : 0;
        }
      }
    }
  }

  /** Images of each group. */
  int[] sizes() {
    return sizes;
  }

  /** Every sample's unbiased S minus their mean, from the groups' products [groups,groups]. */
  double[] deviations(double[] gram) {
    double[] s = new double[samples];
    double[] products = new double[groups * (groups - 1) / 2];
    int pair = 0;
    for (int g = 0; g < groups; g++) {
      for (int h = g + 1; h < groups; h++) products[pair++] = gram[g * groups + h];
    }
    int p = 0;
    for (; p + 4 <= pair; p += 4) four(products, p, s);
    for (; p < pair; p++) {
      for (int b = 0; b < samples; b++) s[b] += products[p] * weights[p * samples + b];
    }
    double mean = 0;
    for (double one : s) mean += one;
    mean /= samples;
    for (int b = 0; b < samples; b++) s[b] -= mean;
    return s;
  }

  /** Four pairs at once: the samples' sums are read and written once. */
  private void four(double[] products, int p, double[] s) {
    double a = products[p];
    double b = products[p + 1];
    double c = products[p + 2];
    double d = products[p + 3];
    int at = p * samples;
    for (int k = 0; k < samples; k++) {
      s[k] +=
          a * weights[at + k]
              + b * weights[at + samples + k]
              + c * weights[at + 2 * samples + k]
              + d * weights[at + 3 * samples + k];
    }
  }

  /** Share of samples beyond each end of the interval. */
  double tail() {
    return TAIL[Math.min(groups, TAIL.length - 1)];
  }
}
