// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.InputException;
import io.clipsteer.lab.study.Groups;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Every training image's mean activations above 0, image by image, and each feature's AUROC. */
final class ImageActivations {
  /** Activations that are kept, all SAEs together. */
  private static final long MOST = 200_000_000;

  private final long most;
  private int[] features = new int[1 << 12];
  private float[] values = new float[1 << 12];
  private int[] starts = new int[65];
  private int[] groups = new int[64];
  private int images;

  /** One activation of a feature. */
  private record Entry(float value, int group) {}

  /**
   * Holds nothing yet.
   *
   * @param saes how many share the memory
   */
  ImageActivations(int saes) {
    most = MOST / saes;
  }

  /**
   * Adds an image.
   *
   * @param active its {@code count} active features, in any order
   * @param sums by feature, over the image's tokens
   */
  void add(int group, int[] active, int count, double[] sums, int tokens) {
    int from = starts[images];
    if ((long) from + count > most) {
      throw new InputException(
          "--select auroc",
          "the training images' activations do not fit in memory",
          "Use fewer (--per-group), or fewer layers");
    }
    if (from + count > features.length) {
      int room = (int) Math.min(Integer.MAX_VALUE - 8L, 2L * (from + count));
      features = Arrays.copyOf(features, room);
      values = Arrays.copyOf(values, room);
    }
    if (images == groups.length) {
      groups = Arrays.copyOf(groups, 2 * groups.length);
      starts = Arrays.copyOf(starts, groups.length + 1);
    }
    for (int i = 0; i < count; i++) {
      features[from + i] = active[i];
      values[from + i] = (float) (sums[active[i]] / tokens);
    }
    groups[images++] = group;
    starts[images] = from + count;
  }

  /**
   * Each feature's AUROC, by midranks, as the mean over strata: inside a stratum all images with
   * the attribute against all without. A feature that is never active has 0.5.
   *
   * @param features of the SAE
   * @param counts images of each group
   */
  double[] auroc(int features, Groups of, int[] counts) {
    int[] firsts = new int[features + 1];
    int entries = starts[images];
    for (int e = 0; e < entries; e++) firsts[this.features[e] + 1]++;
    for (int f = 0; f < features; f++) firsts[f + 1] += firsts[f];
    float[] byFeature = new float[entries];
    int[] group = new int[entries];
    int[] next = Arrays.copyOf(firsts, features);
    for (int image = 0; image < images; image++) {
      for (int e = starts[image]; e < starts[image + 1]; e++) {
        int at = next[this.features[e]]++;
        byFeature[at] = values[e];
        group[at] = groups[image];
      }
    }
    List<Groups.Stratum> strata = of.comparable(counts);
    double[] auroc = new double[features];
    for (int f = 0; f < features; f++) {
      for (Groups.Stratum stratum : strata) {
        List<Entry> own = new ArrayList<>();
        for (int e = firsts[f]; e < firsts[f + 1]; e++) {
          boolean in = stratum.with().contains(group[e]) || stratum.without().contains(group[e]);
          if (in) own.add(new Entry(byFeature[e], group[e]));
        }
        auroc[f] += area(own, stratum, counts) / strata.size();
      }
    }
    return auroc;
  }

  /** AUROC in a stratum from the activations above 0; its other images have 0. */
  private static double area(List<Entry> active, Groups.Stratum stratum, int[] counts) {
    double with = stratum.with().stream().mapToInt(g -> counts[g]).sum();
    double without = stratum.without().stream().mapToInt(g -> counts[g]).sum();
    active.sort((a, b) -> Float.compare(a.value, b.value));
    double silent = with + without - active.size();
    double ranks = 0;
    double found = 0;
    for (int i = 0; i < active.size(); ) {
      int end = i;
      while (end < active.size() && active.get(end).value == active.get(i).value) end++;
      double rank = silent + (i + 1 + end) / 2.0;
      for (; i < end; i++) {
        if (!stratum.with().contains(active.get(i).group)) continue;
        ranks += rank;
        found++;
      }
    }
    ranks += (with - found) * (silent + 1) / 2;
    return (ranks - with * (with + 1) / 2) / (with * without);
  }
}
