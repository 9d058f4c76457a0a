// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.study;

import java.util.ArrayList;
import java.util.List;

/**
 * The groups that accuracy is told for, and which of them have the attribute.
 *
 * @param names of the groups
 * @param strata of each group, what is asked for: with and without are compared inside a stratum,
 *     so that what is asked for does not look like the attribute
 * @param with of each group, whether its images have the attribute
 * @param clean the group that is the clean set as well, on which little may be lost; −1 for none
 */
public record Groups(List<String> names, int[] strata, boolean[] with, int clean) {
  /** The group of an image that belongs to the clean set. */
  public static final int CLEAN = -1;

  /** Without a group that must not lose. */
  public Groups(List<String> names, int[] strata, boolean[] with) {
    this(names, strata, with, CLEAN);
  }

  public Groups {
    names = List.copyOf(names);
    if (strata.length != names.size() || with.length != names.size()) {
      throw new IllegalArgumentException(names.size() + " groups");
    }
  }

  /** How many. */
  public int count() {
    return names.size();
  }

  /** One stratum's groups. */
  public record Stratum(List<Integer> with, List<Integer> without) {}

  /**
   * Strata that have images with and without the attribute; of such groups those with images.
   *
   * @param images of each group
   */
  public List<Stratum> comparable(int[] images) {
    List<Stratum> all = new ArrayList<>();
    int most = -1;
    for (int stratum : strata) most = Math.max(most, stratum);
    for (int s = 0; s <= most; s++) {
      Stratum stratum = new Stratum(new ArrayList<>(), new ArrayList<>());
      for (int g = 0; g < strata.length; g++) {
        if (strata[g] != s || images[g] == 0) continue;
        (with[g] ? stratum.with : stratum.without).add(g);
      }
      if (!stratum.with.isEmpty() && !stratum.without.isEmpty()) all.add(stratum);
    }
    return all;
  }

  /**
   * How much larger a mean is with the attribute than so many times the mean without: the mean over
   * strata of the difference between the means of their groups' means.
   *
   * @param sums over each group's images, [groups][width]
   * @param images of each group
   * @param times 1 for the plain difference
   */
  public double[] difference(double[][] sums, int[] images, double times) {
    List<Stratum> strata = comparable(images);
    double[] difference = new double[sums[0].length];
    for (Stratum stratum : strata) {
      add(difference, sums, images, stratum.with, 1.0 / strata.size());
      add(difference, sums, images, stratum.without, -times / strata.size());
    }
    return difference;
  }

  private static void add(
      double[] into, double[][] sums, int[] images, List<Integer> groups, double weight) {
    for (int g : groups) {
      double factor = weight / groups.size() / images[g];
      for (int j = 0; j < into.length; j++) into[j] += factor * sums[g][j];
    }
  }
}
