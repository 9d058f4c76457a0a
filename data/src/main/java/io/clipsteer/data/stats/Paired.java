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
      double before = 1;
      double after = 1;
      for (Paired group : groups) {
        Paired drawn = group.drawn(random);
        before = Math.min(before, (double) (drawn.right + drawn.lost) / drawn.n());
        after = Math.min(after, (double) (drawn.right + drawn.gained) / drawn.n());
      }
      gains[d] = after - before;
    }
    Arrays.sort(gains);
    int cut = (int) (0.025 * draws);
    return new Interval(gains[cut], gains[draws - 1 - cut]);
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
