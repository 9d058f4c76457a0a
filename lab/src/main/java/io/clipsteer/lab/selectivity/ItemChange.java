// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

/**
 * How answers change, by image. Targets are items that were answered with the class before.
 *
 * @param target of each image: targets
 * @param left targets with another answer after
 * @param on other items on which the feature is active
 * @param onChanged of these with another answer after
 * @param off other items
 * @param offChanged of these with another answer after
 */
record ItemChange(
    int[] target, int[] left, int[] on, int[] onChanged, int[] off, int[] offChanged) {
  /**
   * Counts.
   *
   * @param active of each item, whether the feature is active on it
   */
  static ItemChange of(Items items, int[] before, int[] after, boolean[] active, int label) {
    int n = items.images();
    var change =
        new ItemChange(new int[n], new int[n], new int[n], new int[n], new int[n], new int[n]);
    for (int i = 0; i < before.length; i++) {
      int image = items.image(i);
      int[] all = before[i] == label ? change.target : active[i] ? change.on : change.off;
      int[] changed =
          before[i] == label ? change.left : active[i] ? change.onChanged : change.offChanged;
      all[image]++;
      if (after[i] != before[i]) changed[image]++;
    }
    return change;
  }

  /** T, with each image as often as {@code times} says. */
  double target(int[] times) {
    return share(times, left, target);
  }

  double otherOn(int[] times) {
    return share(times, onChanged, on);
  }

  double otherOff(int[] times) {
    return share(times, offChanged, off);
  }

  /** O. */
  double other(int[] times) {
    return (sum(times, onChanged) + sum(times, offChanged)) / (sum(times, on) + sum(times, off));
  }

  /** T − O. */
  double difference(int[] times) {
    return target(times) - other(times);
  }

  private static double share(int[] times, int[] changed, int[] all) {
    return sum(times, changed) / sum(times, all);
  }

  private static double sum(int[] times, int[] counts) {
    long sum = 0;
    for (int i = 0; i < times.length; i++) sum += (long) times[i] * counts[i];
    return sum;
  }
}
