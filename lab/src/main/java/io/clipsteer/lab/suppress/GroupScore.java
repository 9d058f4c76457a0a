// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.stats.McNemar;
import io.clipsteer.data.stats.Paired;
import io.clipsteer.data.stats.Share;
import io.clipsteer.lab.study.Groups;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Right answers before and after an edit, by group.
 *
 * @param groups counts of each group; all 0 for a group without images
 * @param clean counts of the clean set, which is in no group or is one of them; all 0 where there
 *     is none
 */
public record GroupScore(List<Paired> groups, Paired clean) {
  private static final Paired NONE = new Paired(0, 0, 0, 0);

  /** Samples of {@link #error}. */
  private static final int SAMPLES = 1000;

  public GroupScore {
    groups = List.copyOf(groups);
  }

  /**
   * Counts.
   *
   * @param group of each image
   */
  static GroupScore of(Groups groups, List<Integer> group, BitSet before, BitSet after) {
    int[] once = new int[group.size()];
    Arrays.fill(once, 1);
    return of(groups, group, before, after, once);
  }

  /**
   * Counts a sample of images.
   *
   * @param group of each image
   * @param times how often each image is in the sample
   */
  static GroupScore of(
      Groups groups, List<Integer> group, BitSet before, BitSet after, int[] times) {
    int count = groups.count();
    int[][] counts = new int[count + 1][4];
    for (int i = 0; i < group.size(); i++) {
      int g = group.get(i) == Groups.CLEAN ? count : group.get(i);
      boolean was = before.get(i);
      boolean is = after.get(i);
      counts[g][was ? is ? 0 : 2 : is ? 1 : 3] += times[i];
    }
    List<Paired> all = new ArrayList<>();
    for (int[] c : counts) all.add(new Paired(c[0], c[1], c[2], c[3]));
    int clean = groups.clean() == Groups.CLEAN ? count : groups.clean();
    return new GroupScore(all.subList(0, count), all.get(clean));
  }

  /** Groups with images. */
  List<Paired> filled() {
    return groups.stream().filter(g -> g.n() > 0).toList();
  }

  /** All images of all groups. */
  public Paired overall() {
    return groups.stream().reduce(NONE, Paired::plus);
  }

  /** The goal's value without the edit. */
  public double before(SuppressionSettings.Goal goal, Groups of) {
    return goal.value(of, accuracies(Paired::before));
  }

  /** The goal's value with the edit. */
  public double after(SuppressionSettings.Goal goal, Groups of) {
    return goal.value(of, accuracies(Paired::after));
  }

  /**
   * Standard error of the goal with the edit: its deviation over samples in which the accuracy p of
   * a group of n images has a normal error of variance {@code p(1 − p)/n}, p by Laplace's rule.
   */
  double error(SuppressionSettings.Goal goal, Groups of, long seed) {
    double[] accuracies = accuracies(Paired::after);
    double[] errors = new double[accuracies.length];
    for (int g = 0; g < errors.length; g++) {
      int n = groups.get(g).n();
      double p = (accuracies[g] * n + 1) / (n + 2);
      errors[g] = Math.sqrt(p * (1 - p) / n);
    }
    var random = new SplittableRandom(seed);
    double sum = 0;
    double squares = 0;
    double[] other = new double[accuracies.length];
    for (int sample = 0; sample < SAMPLES; sample++) {
      for (int g = 0; g < other.length; g++) {
        other[g] = accuracies[g] + errors[g] * random.nextGaussian();
      }
      double value = goal.value(of, other);
      sum += value;
      squares += value * value;
    }
    double mean = sum / SAMPLES;
    return Math.sqrt(Math.max(0, squares / SAMPLES - mean * mean));
  }

  private double[] accuracies(Function<Paired, Share> which) {
    return groups.stream()
        .mapToDouble(g -> g.n() == 0 ? Double.NaN : which.apply(g).value())
        .toArray();
  }

  /** Worst-group accuracy without the edit. */
  public double worstBefore() {
    return filled().stream().mapToDouble(g -> g.before().value()).min().orElseThrow();
  }

  /** Worst-group accuracy with the edit. */
  public double worstAfter() {
    return filled().stream().mapToDouble(g -> g.after().value()).min().orElseThrow();
  }

  /** The group with the lowest accuracy before; of equal ones the first. */
  int worstGroup() {
    int worst = -1;
    for (int g = 0; g < groups.size(); g++) {
      if (groups.get(g).n() == 0) continue;
      if (worst < 0 || groups.get(g).before().value() < groups.get(worst).before().value()) {
        worst = g;
      }
    }
    return worst;
  }

  /** The group with the lowest accuracy after. */
  Paired worstGroupAfter() {
    Paired worst = null;
    for (Paired group : filled()) {
      if (worst == null || group.after().value() < worst.after().value()) worst = group;
    }
    if (worst == null) throw new IllegalStateException("no group has images");
    return worst;
  }

  /** The exact test of the change in one group. */
  McNemar test(int group) {
    return groups.get(group).test();
  }

  /** Points of accuracy lost, overall or on the clean set, whichever is more. */
  double loss() {
    double overall = loss(overall());
    return clean.n() == 0 ? overall : Math.max(overall, loss(clean));
  }

  /** Points of accuracy lost, summed over the groups that lose. */
  double harm() {
    return filled().stream().mapToDouble(group -> Math.max(0, loss(group))).sum();
  }

  private static double loss(Paired paired) {
    return 100 * (paired.before().value() - paired.after().value());
  }

  @Nullable Double cleanBefore() {
    return clean.n() == 0 ? null : clean.before().value();
  }

  @Nullable Double cleanAfter() {
    return clean.n() == 0 ? null : clean.after().value();
  }
}
