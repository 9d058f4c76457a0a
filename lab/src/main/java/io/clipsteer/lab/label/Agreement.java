// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import io.clipsteer.data.stats.Bootstrap;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How well annotators agree. A coefficient is 1 for perfect agreement, 0 for as much as chance
 * gives, and below 0 for less. It is null where its formula has no value: all ratings have the same
 * value, or no item has two ratings.
 */
public final class Agreement {
  private static final int SAMPLES = 2000;

  /** Fewest samples that have one beyond each end of a plain 95 % interval. */
  private static final int FEWEST = 40;

  private Agreement() {}

  /** How far two values are apart (Krippendorff 2011). */
  public enum Metric {
    /** Values are the same or not. */
    NOMINAL,
    /** Numbers whose order counts: δ = difference of their mean ranks among all ratings. */
    ORDINAL,
    /** Numbers: δ = their difference. */
    INTERVAL
  }

  /**
   * Cohen's κ of two annotators.
   *
   * @param first index of an annotator
   * @param second index of another, above the first
   * @param items number of items that both rated
   * @param kappa −1 to 1, null where it is not defined
   */
  public record PairKappa(int first, int second, int items, @Nullable Double kappa) {}

  /**
   * Krippendorff's α by the matrix of coincidences (Krippendorff 2011, "Computing Krippendorff's
   * alpha-reliability"). Items with fewer than two ratings are skipped.
   *
   * @return at most 1, null where it is not defined
   * @throws IllegalArgumentException when the metric needs finite numbers and a value is none
   */
  public static @Nullable Double alpha(Ratings<?> ratings, Metric metric) {
    Coincidences coincidences = Coincidences.of(ratings, metric);
    int[] once = new int[coincidences.items()];
    Arrays.fill(once, 1);
    double alpha = coincidences.alpha(once);
    return Double.isNaN(alpha) ? null : alpha;
  }

  /**
   * The 95 % interval of α: percentiles over 2,000 bootstrap samples of the items with two or more
   * ratings, widened to Student's t. Samples in which α is not defined are skipped and counted.
   *
   * @return null where fewer than two items have two ratings, or α is defined in fewer than 40
   *     samples
   * @throws IllegalArgumentException when the metric needs finite numbers and a value is none
   */
  public static @Nullable Bootstrap interval(Ratings<?> ratings, Metric metric, long seed) {
    Coincidences coincidences = Coincidences.of(ratings, metric);
    int items = coincidences.items();
    if (items < 2) return null;
    Bootstrap interval =
        Bootstrap.of(new int[] {items}, SAMPLES, seed, Bootstrap.tail(items), coincidences::alpha);
    return interval == null || interval.samples() < FEWEST ? null : interval;
  }

  /**
   * Fleiss' κ (Fleiss 1971): {@code (P − Pe)/(1 − Pe)}, P the mean over items of the share of equal
   * pairs, Pe the sum of squared prevalences. Items without a rating are skipped.
   *
   * @return null where it is not defined, or items have different numbers of ratings
   */
  public static @Nullable Double fleiss(Ratings<?> ratings) {
    List<? extends List<?>> items =
        ratings.present().stream().filter(item -> !item.isEmpty()).toList();
    if (items.isEmpty()) return null;
    int each = items.getFirst().size();
    if (each < 2 || items.stream().anyMatch(item -> item.size() != each)) return null;
    long equal = 0;
    for (List<?> item : items) equal += equalPairs(item);
    double observed = 2.0 * equal / ((double) items.size() * each * (each - 1));
    double chance = 0;
    Map<?, Double> prevalence = prevalence(ratings);
    for (double share : prevalence.values()) chance += share * share;
    return prevalence.size() < 2 ? null : Double.valueOf((observed - chance) / (1 - chance));
  }

  /**
   * Cohen's κ (Cohen 1960) on the items that both annotators rated: {@code (Po − Pe)/(1 − Pe)}, Po
   * the share of items with equal values, Pe the sum over values of the product of both annotators'
   * shares.
   *
   * @param first index of an annotator
   * @param second index of another
   */
  public static PairKappa cohen(Ratings<?> ratings, int first, int second) {
    Map<Object, Integer> ones = new LinkedHashMap<>();
    Map<Object, Integer> others = new LinkedHashMap<>();
    int items = 0;
    int equal = 0;
    for (List<?> item : ratings.items()) {
      Object one = item.get(first);
      Object other = item.get(second);
      if (one == null || other == null) continue;
      items++;
      if (one.equals(other)) equal++;
      ones.merge(one, 1, Integer::sum);
      others.merge(other, 1, Integer::sum);
    }
    long chance = 0;
    for (var one : ones.entrySet()) {
      chance += (long) one.getValue() * others.getOrDefault(one.getKey(), 0);
    }
    // Po, Pe and 1 times the square of the number of items.
    long all = (long) items * items;
    @Nullable Double kappa =
        chance == all
            ? null
            : Double.valueOf((double) ((long) equal * items - chance) / (all - chance));
    return new PairKappa(first, second, items, kappa);
  }

  /** Cohen's κ of all pairs of annotators: 0 and 1, 0 and 2, …, 1 and 2, …. */
  public static List<PairKappa> cohen(Ratings<?> ratings) {
    List<PairKappa> pairs = new ArrayList<>();
    for (int first = 0; first < ratings.annotators(); first++) {
      for (int second = first + 1; second < ratings.annotators(); second++) {
        pairs.add(cohen(ratings, first, second));
      }
    }
    return pairs;
  }

  /**
   * Raw agreement: the share of pairs of an item's ratings that are equal. The mean over items is
   * weighted by their number of ratings, as in α: nominal α's observed disagreement is 1 minus it.
   *
   * @return 0 to 1, null where no item has two ratings
   */
  public static @Nullable Double raw(Ratings<?> ratings) {
    double equal = 0;
    int all = 0;
    for (List<?> item : ratings.present()) {
      if (item.size() < 2) continue;
      equal += 2.0 * equalPairs(item) / (item.size() - 1);
      all += item.size();
    }
    return all == 0 ? null : Double.valueOf(equal / all);
  }

  /**
   * Prevalence: the share of each value among all ratings.
   *
   * @return above 0 to 1 by value, in the order in which values appear; empty without ratings
   */
  public static <T> Map<T, Double> prevalence(Ratings<T> ratings) {
    Map<T, Double> shares = new LinkedHashMap<>();
    List<T> all = ratings.present().stream().flatMap(List::stream).toList();
    for (T value : all) shares.merge(value, 1.0, Double::sum);
    shares.replaceAll((value, count) -> count / all.size());
    return shares;
  }

  private static long equalPairs(List<?> values) {
    long equal = 0;
    for (int i = 0; i < values.size(); i++) {
      for (int j = 0; j < i; j++) if (values.get(i).equals(values.get(j))) equal++;
    }
    return equal;
  }
}
