// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * How well each feature's activation tells each class from the others, over items with a label: the
 * best F1 over all thresholds and the area under the ROC curve, with ties as one.
 *
 * @param f1 by feature, then class; 0 where the feature is never active
 * @param auroc likewise; 0.5 there
 */
record ClassStatistics(float[][] f1, float[][] auroc) {

  /**
   * Measures.
   *
   * @param labels of the items; −1 without one
   */
  static ClassStatistics of(ItemCodes codes, Items items, int[] labels, int classes) {
    int[] sizes = new int[classes];
    for (int label : labels) if (label >= 0) sizes[label]++;
    float[][] f1 = new float[codes.features()][];
    float[][] auroc = new float[codes.features()][];
    IntStream.range(0, codes.features())
        .parallel()
        .forEach(
            f -> {
              f1[f] = new float[classes];
              auroc[f] = new float[classes];
              one(codes, f, items, labels, sizes, f1[f], auroc[f]);
            });
    return new ClassStatistics(f1, auroc);
  }

  /** An item on which a feature is active: its label and largest activation. */
  private record Active(int label, float value) {}

  private static void one(
      ItemCodes codes,
      int feature,
      Items items,
      int[] labels,
      int[] sizes,
      float[] f1,
      float[] auroc) {
    Active[] active = active(codes, feature, items, labels);
    Arrays.sort(active, Comparator.comparingDouble(one -> -one.value));
    int all = Arrays.stream(sizes).sum();
    int k = sizes.length;
    int[] seen = new int[k];
    int[] tied = new int[k];
    // Pairs of a positive and a negative of which the positive is above; ties count one half.
    double[] above = new double[k];
    for (int from = 0; from < active.length; ) {
      int to = from;
      while (to < active.length && active[to].value == active[from].value) {
        tied[active[to++].label]++;
      }
      for (int i = from; i < to; i++) {
        int c = active[i].label;
        if (tied[c] == 0) continue;
        int negatives = all - sizes[c] - (from - seen[c]);
        double same = to - from - tied[c];
        above[c] += tied[c] * (negatives - same / 2);
        seen[c] += tied[c];
        tied[c] = 0;
        f1[c] = Math.max(f1[c], 2f * seen[c] / (to + sizes[c]));
      }
      from = to;
    }
    for (int c = 0; c < k; c++) {
      double pairs = (double) sizes[c] * (all - sizes[c]);
      double inactive = all - active.length - (sizes[c] - seen[c]);
      above[c] += (sizes[c] - seen[c]) * inactive / 2;
      auroc[c] = pairs > 0 ? (float) (above[c] / pairs) : 0.5f;
    }
  }

  private static Active[] active(ItemCodes codes, int feature, Items items, int[] labels) {
    Active[] active = new Active[codes.count(feature)];
    int n = 0;
    int last = -1;
    for (int e = codes.starts()[feature]; e < codes.starts()[feature + 1]; e++) {
      int item = items.of(codes.tokens()[e]);
      if (item < 0 || labels[item] < 0) continue;
      float value = codes.values()[e];
      if (item == last) {
        // Another token of the same image.
        active[n - 1] = new Active(labels[item], Math.max(active[n - 1].value, value));
      } else {
        active[n++] = new Active(labels[item], value);
        last = item;
      }
    }
    return Arrays.copyOf(active, n);
  }

  /** The features with the largest statistic for a class, the best first. */
  static int[] best(float[][] statistic, int label, int most) {
    return IntStream.range(0, statistic.length)
        .boxed()
        .sorted(Comparator.comparingDouble(f -> -statistic[f][label]))
        .limit(most)
        .mapToInt(Integer::intValue)
        .toArray();
  }
}
