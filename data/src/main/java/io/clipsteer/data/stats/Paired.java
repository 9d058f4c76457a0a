// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * How a group's questions were answered before and after a change.
 *
 * @param right right before and after
 * @param gained wrong before and right after
 * @param lost right before and wrong after
 * @param wrong wrong before and after
 */
public record Paired(int right, int gained, int lost, int wrong) {
  /** Questions. */
  public int n() {
    return right + gained + lost + wrong;
  }

  /** Accuracy before; there must be a question. */
  public Share before() {
    return Share.of(right + lost, n());
  }

  /** Accuracy after. */
  public Share after() {
    return Share.of(right + gained, n());
  }

  /** The exact test of the change. */
  public McNemar test() {
    return McNemar.of(gained, lost);
  }

  /** Both together. */
  public Paired plus(Paired other) {
    return new Paired(
        right + other.right, gained + other.gained, lost + other.lost, wrong + other.wrong);
  }

  /** Two ends of a 95 % interval. */
  public record Interval(double low, double high) {}

  /**
   * How much the lowest accuracy among groups rose: the percentile interval of a paired bootstrap
   * (Efron 1979) that draws each group's questions, with both their answers, with replacement.
   *
   * @param groups each with a question
   * @param draws at least 40
   */
  public static Interval worstGain(List<Paired> groups, int draws, long seed) {
    if (groups.isEmpty() || draws < 40) throw new IllegalArgumentException(draws + " draws");
    SplittableRandom random = new SplittableRandom(seed);
    double[] gains = new double[draws];
    for (int d = 0; d < draws; d++) {
      gains[d] = worstRise(groups.stream().map(group -> group.drawn(random)).toList());
    }
    Arrays.sort(gains);
    int cut = (int) (0.025 * draws);
    return new Interval(gains[cut], gains[draws - 1 - cut]);
  }

  /** Rise of the lowest accuracy among groups. */
  private static double worstRise(List<Paired> groups) {
    double before = 1;
    double after = 1;
    for (Paired group : groups) {
      before = Math.min(before, (double) (group.right + group.lost) / group.n());
      after = Math.min(after, (double) (group.right + group.gained) / group.n());
    }
    return after - before;
  }

  /**
   * Two-sided test that the lowest accuracy among groups is the same before and after: the paired
   * permutation test (Fisher 1935), which exchanges the two answers of each question with
   * probability one half. Only questions that were gained or lost change by it. {@code (1 +
   * exchanges at least as far from 0)/(1 + draws)}, so never below {@code 1/(1 + draws)}.
   *
   * @param groups each with a question
   * @param draws number of random exchanges
   */
  public static double worstGainP(List<Paired> groups, int draws, long seed) {
    if (groups.isEmpty() || draws < 1) throw new IllegalArgumentException(draws + " draws");
    SplittableRandom random = new SplittableRandom(seed);
    double bound = Math.abs(worstRise(groups)) - 1e-12;
    int far = 0;
    for (int d = 0; d < draws; d++) {
      List<Paired> other = groups.stream().map(group -> group.exchanged(random)).toList();
      if (Math.abs(worstRise(other)) >= bound) far++;
    }
    return (1.0 + far) / (1 + draws);
  }

  private Paired exchanged(SplittableRandom random) {
    int of = gained + lost;
    int heads = 0;
    for (int left = of; left > 0; left -= Long.SIZE) {
      long bits = random.nextLong();
      heads += Long.bitCount(left < Long.SIZE ? bits & (1L << left) - 1 : bits);
    }
    return new Paired(right, heads, of - heads, wrong);
  }

  private Paired drawn(SplittableRandom random) {
    int n = n();
    int[] counts = new int[4];
    for (int i = 0; i < n; i++) {
      int u = random.nextInt(n);
      counts[u < right ? 0 : u < right + gained ? 1 : u < n - wrong ? 2 : 3]++;
    }
    return new Paired(counts[0], counts[1], counts[2], counts[3]);
  }
}
