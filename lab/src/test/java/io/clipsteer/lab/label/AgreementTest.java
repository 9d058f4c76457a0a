// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.stats.Bootstrap;
import io.clipsteer.lab.label.Agreement.Metric;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Against published examples, the definition by pairs, and simulated annotators. */
final class AgreementTest {
  /** Krippendorff 2011: four annotators, twelve items, 0 for a missing value. */
  private static final int[][] KRIPPENDORFF = {
    {1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0},
    {1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3},
    {0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0},
    {1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0}
  };

  /** Fleiss 1971: ratings of ten items in five categories. */
  private static final int[][] FLEISS = {
    {0, 0, 0, 0, 14},
    {0, 2, 6, 4, 2},
    {0, 0, 3, 5, 6},
    {0, 3, 9, 2, 0},
    {2, 2, 8, 1, 1},
    {7, 7, 0, 0, 0},
    {3, 2, 6, 3, 0},
    {2, 5, 3, 2, 2},
    {6, 5, 2, 1, 0},
    {0, 2, 2, 3, 7}
  };

  private static Ratings<Integer> krippendorff() {
    List<List<@Nullable Integer>> items = new ArrayList<>();
    for (int u = 0; u < 12; u++) {
      List<@Nullable Integer> item = new ArrayList<>();
      for (int[] annotator : KRIPPENDORFF) item.add(annotator[u] == 0 ? null : annotator[u]);
      items.add(item);
    }
    return new Ratings<>(items);
  }

  private static <T> Ratings<T> ratings(List<List<T>> items) {
    return new Ratings<>(new ArrayList<List<@Nullable T>>(items));
  }

  private static void assertNear(double expected, @Nullable Double figure, double tolerance) {
    assertEquals(expected, Objects.requireNonNull(figure), tolerance);
  }

  /** As many items with two values as a table of Cohen's counts. */
  private static Ratings<String> table(int bothYes, int yesNo, int noYes, int bothNo) {
    List<List<String>> items = new ArrayList<>();
    items.addAll(Collections.nCopies(bothYes, List.of("yes", "yes")));
    items.addAll(Collections.nCopies(yesNo, List.of("yes", "no")));
    items.addAll(Collections.nCopies(noYes, List.of("no", "yes")));
    items.addAll(Collections.nCopies(bothNo, List.of("no", "no")));
    return ratings(items);
  }

  @ParameterizedTest
  @CsvSource({"NOMINAL,0.7434", "ORDINAL,0.8154", "INTERVAL,0.8491"})
  void krippendorffsExample(Metric metric, double alpha) {
    assertNear(alpha, Agreement.alpha(krippendorff(), metric), 5e-5);
    Bootstrap interval = Objects.requireNonNull(Agreement.interval(krippendorff(), metric, 1));
    assertTrue(interval.low() < alpha && alpha < interval.high());
    assertEquals(2000, interval.samples() + interval.undefined());
    assertEquals(interval, Agreement.interval(krippendorff(), metric, 1));
  }

  @Test
  void fleissExample() {
    List<List<Character>> items = new ArrayList<>();
    for (int[] counts : FLEISS) {
      List<Character> item = new ArrayList<>();
      for (int c = 0; c < 5; c++) item.addAll(Collections.nCopies(counts[c], (char) ('a' + c)));
      items.add(item);
    }
    assertNear(0.2099, Agreement.fleiss(ratings(items)), 5e-5);
    assertNear(20.0 / 140, Agreement.prevalence(ratings(items)).get('a'), 1e-12);
    // An item without a rating is left out; one with fewer ratings has no place in the formula.
    items.add(Collections.nCopies(14, null));
    assertNear(0.2099, Agreement.fleiss(ratings(items)), 5e-5);
    List<@Nullable Character> few = new ArrayList<>(Collections.nCopies(14, 'a'));
    few.set(3, null);
    items.add(few);
    assertNull(Agreement.fleiss(ratings(items)));
  }

  @Test
  void cohensExample() {
    var pair = new Agreement.PairKappa(0, 1, 50, 0.4);
    assertEquals(List.of(pair), Agreement.cohen(table(20, 5, 10, 15)));
    assertNear(0.7, Agreement.raw(table(20, 5, 10, 15)), 1e-12);
  }

  /** Nine of ten labels agree, and by chance it would be 90.5 %. */
  @Test
  void oneValueIsPrevalent() {
    Ratings<String> ratings = table(90, 5, 5, 0);
    assertNear(0.9, Agreement.raw(ratings), 1e-12);
    assertEquals(Map.of("yes", 0.95, "no", 0.05), Agreement.prevalence(ratings));
    assertNear(-0.005 / 0.095, Agreement.cohen(ratings, 0, 1).kappa(), 1e-12);
    assertNear(-0.005 / 0.095, Agreement.fleiss(ratings), 1e-12);
  }

  @Test
  void pairsCountTheItemsThatBothRated() {
    List<Agreement.PairKappa> pairs = Agreement.cohen(krippendorff());
    assertEquals(
        List.of("0-1", "0-2", "0-3", "1-2", "1-3", "2-3"),
        pairs.stream().map(pair -> pair.first() + "-" + pair.second()).toList());
    assertEquals(
        List.of(9, 8, 9, 9, 10, 10), pairs.stream().map(Agreement.PairKappa::items).toList());
    // By hand: 8 of 9 equal, shares (3,3,2,1)/9 and (2,4,2,1)/9.
    assertNear((8.0 / 9 - 23.0 / 81) / (1 - 23.0 / 81), pairs.getFirst().kappa(), 1e-12);
  }

  @Test
  void unanimityIsNotDefined() {
    Ratings<Integer> ratings = ratings(Collections.nCopies(10, List.of(3, 3, 3)));
    for (Metric metric : Metric.values()) {
      assertNull(Agreement.alpha(ratings, metric));
      assertNull(Agreement.interval(ratings, metric, 1));
    }
    assertNull(Agreement.fleiss(ratings));
    for (Agreement.PairKappa pair : Agreement.cohen(ratings)) assertNull(pair.kappa());
    assertEquals(1, Agreement.raw(ratings));
    assertEquals(Map.of(3, 1.0), Agreement.prevalence(ratings));
  }

  @Test
  void oneAnnotatorIsNotDefined() {
    for (Ratings<Integer> ratings :
        List.of(
            ratings(List.of(List.of(1), List.of(2))),
            ratings(List.of(Arrays.asList(1, null), Arrays.asList(null, 2))),
            new Ratings<Integer>(List.of()))) {
      for (Metric metric : Metric.values()) {
        assertNull(Agreement.alpha(ratings, metric));
        assertNull(Agreement.interval(ratings, metric, 1));
      }
      assertNull(Agreement.fleiss(ratings));
      assertNull(Agreement.raw(ratings));
      for (Agreement.PairKappa pair : Agreement.cohen(ratings)) assertNull(pair.kappa());
    }
  }

  /** "Aa" and "BB" have the same hash. */
  @Test
  void labelsOfEqualHashDiffer() {
    assertEquals("Aa".hashCode(), "BB".hashCode());
    Ratings<String> same =
        ratings(List.of(List.of("Aa", "BB"), List.of("BB", "Aa"), List.of("Aa", "BB")));
    assertEquals(0, Agreement.raw(same));
    assertEquals(2, Agreement.prevalence(same).size());
    // By hand: Do = 1, De = 2·3·3/(6·5).
    assertNear(1 - 1 / 0.6, Agreement.alpha(same, Metric.NOMINAL), 1e-12);
    assertNear(-1, Agreement.fleiss(same), 1e-12);
    assertNear(-0.8, Agreement.cohen(same, 0, 1).kappa(), 1e-12);
  }

  @Test
  void valuesOfNumbers() {
    // 0 and -0, 1 and 1.0 are the same numbers.
    Ratings<Number> mixed = ratings(List.of(List.of(0.0, -0.0), List.of(1, 1.0)));
    assertEquals(1, Agreement.alpha(mixed, Metric.ORDINAL));
    assertEquals(1, Agreement.alpha(mixed, Metric.INTERVAL));
    Ratings<String> words = table(1, 1, 1, 1);
    assertThrows(IllegalArgumentException.class, () -> Agreement.alpha(words, Metric.ORDINAL));
    Ratings<Double> infinite = ratings(List.of(List.of(0.0, Double.POSITIVE_INFINITY)));
    assertThrows(IllegalArgumentException.class, () -> Agreement.alpha(infinite, Metric.INTERVAL));
    assertThrows(IllegalArgumentException.class, () -> ratings(List.of(List.of(1), List.of(1, 2))));
  }

  /** Half of the samples have one of the two items only, and there α is not defined. */
  @Test
  void undefinedSamplesAreCounted() {
    Ratings<String> two = ratings(List.of(List.of("a", "a"), List.of("b", "b")));
    Bootstrap interval = Objects.requireNonNull(Agreement.interval(two, Metric.NOMINAL, 5));
    assertEquals(1, interval.low());
    assertEquals(1, interval.high());
    assertEquals(1000, interval.undefined(), 5 * Math.sqrt(500));
    assertNull(Agreement.interval(ratings(List.of(List.of("a", "b"))), Metric.NOMINAL, 5));
  }

  @ParameterizedTest
  @CsvSource({"0.1,2", "0.3,4", "0.5,10"})
  void annotatorsWithErrors(double error, int labels) {
    Random random = new Random(7);
    int n = 20_000;
    List<List<Integer>> items = new ArrayList<>();
    for (int u = 0; u < n; u++) {
      int truth = random.nextInt(labels);
      List<Integer> item = new ArrayList<>();
      for (int a = 0; a < 2; a++) {
        boolean wrong = random.nextDouble() < error;
        item.add(wrong ? (truth + 1 + random.nextInt(labels - 1)) % labels : truth);
      }
      items.add(item);
    }
    double expected = (1 - error) * (1 - error) + error * error / (labels - 1);
    double deviation = Math.sqrt(expected * (1 - expected) / n);
    double raw = Objects.requireNonNull(Agreement.raw(ratings(items)));
    assertEquals(expected, raw, 4 * deviation);
    // Labels are equally frequent, so chance gives 1/labels.
    double kappa = (raw - 1.0 / labels) / (1 - 1.0 / labels);
    assertNear(kappa, Agreement.alpha(ratings(items), Metric.NOMINAL), 1e-3);
    assertNear(kappa, Agreement.cohen(ratings(items), 0, 1).kappa(), 1e-3);
  }

  @ParameterizedTest
  @EnumSource(Metric.class)
  void alphaByItsDefinition(Metric metric) {
    Random random = new Random(3);
    for (int trial = 0; trial < 200; trial++) {
      int annotators = 2 + random.nextInt(5);
      int kinds = 2 + random.nextInt(6);
      double missing = random.nextDouble();
      List<List<@Nullable Double>> items = new ArrayList<>();
      for (int u = 2 + random.nextInt(20); u > 0; u--) {
        double truth = random.nextInt(kinds);
        List<@Nullable Double> item = new ArrayList<>();
        for (int a = 0; a < annotators; a++) {
          double value = random.nextBoolean() ? truth : random.nextInt(kinds);
          item.add(random.nextDouble() < missing ? null : Math.exp(value) - 3);
        }
        items.add(item);
      }
      @Nullable Double alpha = Agreement.alpha(new Ratings<>(items), metric);
      double defined = byDefinition(items, metric);
      if (Double.isNaN(defined)) assertNull(alpha);
      else assertNear(defined, alpha, 1e-9);
    }
  }

  /** 1 − Do/De, both over all pairs of values. */
  private static double byDefinition(List<List<@Nullable Double>> items, Metric metric) {
    List<Double> all = new ArrayList<>();
    for (List<@Nullable Double> item : items) {
      List<Double> own = item.stream().filter(v -> v != null).toList();
      if (own.size() > 1) all.addAll(own);
    }
    int n = all.size();
    double observed = 0;
    for (List<@Nullable Double> item : items) {
      List<Double> own = item.stream().filter(v -> v != null).toList();
      if (own.size() > 1) observed += distances(own, all, metric) / (own.size() - 1) / n;
    }
    double expected = distances(all, all, metric) / n / (n - 1);
    return expected > 0 ? 1 - observed / expected : Double.NaN;
  }

  /** Σ δ² over ordered pairs. */
  private static double distances(List<Double> some, List<Double> all, Metric metric) {
    double sum = 0;
    for (double c : some) {
      for (double k : some) {
        sum +=
            switch (metric) {
              case NOMINAL -> c == k ? 0 : 1;
              case INTERVAL -> (c - k) * (c - k);
              case ORDINAL -> {
                double between = 0;
                double ends = 0;
                for (double g : all) {
                  if (g >= Math.min(c, k) && g <= Math.max(c, k)) between++;
                  if (g == c) ends += 0.5;
                  if (g == k) ends += 0.5;
                }
                yield (between - ends) * (between - ends);
              }
            };
      }
    }
    return sum;
  }
}
