// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Krippendorff's matrix of coincidences: o(c,k) is the sum over items of the ordered pairs of
 * ratings of an item that have the values c and k, each divided by the item's ratings minus one.
 * Items with fewer than two ratings are skipped.
 */
final class Coincidences {
  private final Agreement.Metric metric;

  /** Different values in ascending order; for nominal values only as many. */
  private final double[] values;

  /** [items][ratings]: index of each rating's value. */
  private final List<int[]> items;

  private Coincidences(Agreement.Metric metric, double[] values, List<int[]> items) {
    this.metric = metric;
    this.values = values;
    this.items = items;
  }

  /**
   * Numbers the values.
   *
   * @throws IllegalArgumentException when the metric needs finite numbers and a value is none
   */
  static Coincidences of(Ratings<?> ratings, Agreement.Metric metric) {
    List<List<?>> pairable = new ArrayList<>();
    for (List<?> item : ratings.present()) if (item.size() > 1) pairable.add(item);
    List<int[]> items = new ArrayList<>();
    if (metric == Agreement.Metric.NOMINAL) {
      Map<Object, Integer> index = new HashMap<>();
      for (List<?> item : pairable) {
        for (Object value : item) index.putIfAbsent(value, index.size());
        items.add(item.stream().mapToInt(index::get).toArray());
      }
      return new Coincidences(metric, new double[index.size()], items);
    }
    double[] values =
        pairable.stream()
            .flatMap(List::stream)
            .mapToDouble(Coincidences::number)
            .distinct()
            .sorted()
            .toArray();
    for (List<?> item : pairable) {
      items.add(item.stream().mapToInt(v -> Arrays.binarySearch(values, number(v))).toArray());
    }
    return new Coincidences(metric, values, items);
  }

  private static double number(Object value) {
    if (value instanceof Number number && Double.isFinite(number.doubleValue())) {
      // Without the sign of zero.
      return number.doubleValue() + 0.0;
    }
    throw new IllegalArgumentException("no finite number: " + value);
  }

  /** Items with at least two ratings. */
  int items() {
    return items.size();
  }

  /**
   * α = 1 − (n − 1)·Σ o(c,k)·δ²(c,k) / Σ n(c)·n(k)·δ²(c,k), sums over all c &lt; k, n(c) the
   * ratings with value c and n all ratings.
   *
   * @param times how often each item counts
   * @return NaN where the values do not differ
   */
  double alpha(int[] times) {
    int size = values.length;
    double[] coincidences = new double[size * size];
    int[] counts = new int[size];
    for (int u = 0; u < times.length; u++) {
      if (times[u] == 0) continue;
      int[] own = items.get(u);
      double weight = times[u] / (own.length - 1.0);
      for (int i = 0; i < own.length; i++) {
        counts[own[i]] += times[u];
        for (int j = 0; j < i; j++) {
          coincidences[Math.min(own[i], own[j]) * size + Math.max(own[i], own[j])] += weight;
        }
      }
    }
    double[] positions = positions(counts);
    double observed = 0;
    double expected = 0;
    for (int c = 0; c < size; c++) {
      if (counts[c] == 0) continue;
      for (int k = c + 1; k < size; k++) {
        double distance =
            metric == Agreement.Metric.NOMINAL ? 1 : Math.pow(positions[k] - positions[c], 2);
        observed += coincidences[c * size + k] * distance;
        expected += (double) counts[c] * counts[k] * distance;
      }
    }
    int ratings = Arrays.stream(counts).sum();
    return expected > 0 ? 1 - (ratings - 1) * observed / expected : Double.NaN;
  }

  /** Where the values lie: of ordinal ones the mean rank among all ratings. */
  private double[] positions(int[] counts) {
    if (metric != Agreement.Metric.ORDINAL) return values;
    double[] ranks = new double[counts.length];
    int below = 0;
    for (int c = 0; c < counts.length; c++) {
      ranks[c] = below + counts[c] / 2.0;
      below += counts[c];
    }
    return ranks;
  }
}
