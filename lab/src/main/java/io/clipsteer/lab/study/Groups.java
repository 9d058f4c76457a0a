// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.study;

import java.util.ArrayList;
import java.util.List;

/**
 * Groups of images by target and attribute. Accuracy is reported by group.
 *
 * @param names of the groups
 * @param strata target of each group: images with and without the attribute are compared within a
 *     target, so that the target is not taken for the attribute
 * @param with whether the images of each group have the attribute
 * @param clean the group that is also the clean set, on which loss of accuracy is bounded; −1 for
 *     none
 */
public record Groups(List<String> names, int[] strata, boolean[] with, int clean) {
  /** The group of an image that belongs to the clean set. */
  public static final int CLEAN = -1;

  /** Without a clean group. */
  public Groups(List<String> names, int[] strata, boolean[] with) {
    this(names, strata, with, CLEAN);
  }

  public Groups {
    names = List.copyOf(names);
    if (strata.length != names.size() || with.length != names.size()) {
      throw new IllegalArgumentException(names.size() + " groups");
    }
  }

  /** Number of groups. */
  public int count() {
    return names.size();
  }

  /** The groups of one stratum. */
  public record Stratum(List<Integer> with, List<Integer> without) {}

  /**
   * Strata with images both with and without the attribute. Groups without images are dropped.
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
   * Mean with the attribute minus {@code times} × mean without. Averages groups within a stratum,
   * then strata, so that strata of different size weigh the same.
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
