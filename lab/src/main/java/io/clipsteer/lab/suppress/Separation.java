// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.lab.study.Groups;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** How well each feature tells images with the attribute from those without. */
final class Separation {
  private Separation() {}

  /** One activation of a feature. */
  private record Entry(float value, int group) {}

  /**
   * Each feature's AUROC, by midranks, as the mean over strata: inside a stratum all images with
   * the attribute against all without. A feature that was never active has 0.5.
   */
  static double[] auroc(GroupStatistics seen, Groups groups) {
    GroupStatistics.Kept kept = seen.kept();
    int features = seen.sae().features();
    int[] starts = new int[features + 1];
    int entries = kept.starts[kept.images];
    for (int e = 0; e < entries; e++) starts[kept.features[e] + 1]++;
    for (int f = 0; f < features; f++) starts[f + 1] += starts[f];
    float[] values = new float[entries];
    int[] group = new int[entries];
    int[] next = Arrays.copyOf(starts, features);
    for (int image = 0; image < kept.images; image++) {
      for (int e = kept.starts[image]; e < kept.starts[image + 1]; e++) {
        int at = next[kept.features[e]]++;
        values[at] = kept.values[e];
        group[at] = kept.groups[image];
      }
    }
    List<Groups.Stratum> strata = groups.comparable(seen.images());
    double[] auroc = new double[features];
    for (int f = 0; f < features; f++) {
      for (Groups.Stratum stratum : strata) {
        List<Entry> own = new ArrayList<>();
        for (int e = starts[f]; e < starts[f + 1]; e++) {
          boolean in = stratum.with().contains(group[e]) || stratum.without().contains(group[e]);
          if (in) own.add(new Entry(values[e], group[e]));
        }
        auroc[f] += area(own, stratum, seen.images()) / strata.size();
      }
    }
    return auroc;
  }

  /** Of the activations above 0; all other images of the stratum are silent. */
  private static double area(List<Entry> active, Groups.Stratum stratum, int[] images) {
    double with = stratum.with().stream().mapToInt(g -> images[g]).sum();
    double without = stratum.without().stream().mapToInt(g -> images[g]).sum();
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
