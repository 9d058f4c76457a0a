// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.engine.steer.AnswerShift;
import org.jspecify.annotations.Nullable;

/** A unit's changes, added up as more images are evaluated. */
final class Tally {
  /** Most groups of images, which the bootstrap samples. */
  static final int GROUPS = 16;

  private final int words;
  private final float[] sums;
  private final int[] sizes = new int[GROUPS];
  private double squares;
  private float @Nullable [] sigmoids;

  Tally(int words) {
    this.words = words;
    this.sums = new float[GROUPS * words];
  }

  /** Sizes of the groups when images are split into runs of about the same length. */
  static int[] sizes(int images, int groups) {
    int[] sizes = new int[groups];
    for (int g = 0; g < groups; g++) {
      sizes[g] = (int) ((long) (g + 1) * images / groups - (long) g * images / groups);
    }
    return sizes;
  }

  /** Adds images {@code from} to {@code to}: each of the first to its own group, then evenly. */
  void add(AnswerShift change, int from, int to) {
    int first = from < GROUPS ? from : 0;
    int[] more = sizes(to - from, change.groups());
    for (int g = 0; g < change.groups(); g++) {
      sizes[first + g] += more[g];
      for (int w = 0; w < words; w++) {
        sums[(first + g) * words + w] += change.sums()[g * change.stride() + w];
      }
    }
    squares += change.squares();
    float[] alone = change.sigmoids();
    if (alone == null) return;
    if (sigmoids == null) sigmoids = new float[words];
    for (int w = 0; w < words; w++) sigmoids[w] += alone[w];
  }

  /** Groups that images {@code from} to {@code to} are evaluated in, so that {@link #add} fits. */
  static int groups(int from, int to) {
    return Math.min(to - from, from < GROUPS ? GROUPS - from : GROUPS);
  }

  /** Sizes of the groups that hold images. */
  int[] sizes() {
    int used = 0;
    while (used < GROUPS && sizes[used] > 0) used++;
    return java.util.Arrays.copyOf(sizes, used);
  }

  /** The sums so far. */
  AnswerShift change() {
    return new AnswerShift(sums, words, sizes().length, words, squares, sigmoids);
  }
}
