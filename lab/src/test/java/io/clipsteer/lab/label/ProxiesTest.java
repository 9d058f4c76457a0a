// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.lab.label.Proxies.ProxyScores;
import io.clipsteer.lab.label.Proxies.ProxySubject;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

final class ProxiesTest {
  private static final int WIDTH = 6;

  /** Random unit rows. */
  private static float[] rows(int n, long seed) {
    var random = new SplittableRandom(seed);
    float[] rows = new float[n * WIDTH];
    for (int at = 0; at < rows.length; at += WIDTH) {
      double square = 0;
      for (int j = 0; j < WIDTH; j++) {
        rows[at + j] = (float) random.nextGaussian();
        square += rows[at + j] * rows[at + j];
      }
      for (int j = 0; j < WIDTH; j++) rows[at + j] /= (float) Math.sqrt(square);
    }
    return rows;
  }

  /** Rows along an axis each. */
  private static float[] alongAxes(int... axes) {
    float[] rows = new float[axes.length * WIDTH];
    for (int i = 0; i < axes.length; i++) rows[i * WIDTH + axes[i]] = 1;
    return rows;
  }

  private static float[] axis(int axis) {
    return alongAxes(axis);
  }

  private static int[] first(int n) {
    return IntStream.range(0, n).toArray();
  }

  private static ProxyScores score(float[] rows, int draws, int[] tops, float @Nullable [] name) {
    int[] active = IntStream.of(tops).sorted().toArray();
    return new Proxies(rows, WIDTH, draws, 1).score(new ProxySubject(7, tops, active, name));
  }

  private static double value(@Nullable Double score) {
    assertNotNull(score);
    return score;
  }

  @Test
  void twoClustersAreToldApart() {
    int[] axes = IntStream.range(0, 40).map(i -> i < 16 ? 0 : 1).toArray();
    assertEquals(new ProxyScores(1.0, 1.0, 1.0), score(alongAxes(axes), 20, first(16), axis(0)));
    assertEquals(new ProxyScores(1.0, 1.0, 0.0), score(alongAxes(axes), 20, first(16), axis(1)));
    assertNull(score(alongAxes(axes), 20, first(16), null).verification());
  }

  @Test
  void equalScoresShareThePoint() {
    float[] rows = alongAxes(new int[40]);
    ProxyScores same = score(rows, 20, first(12), axis(0));
    assertEquals(0.5, same.twoAfc());
    assertEquals(0.2, value(same.intruder()), 1e-12);
    assertEquals(0.5, same.verification());
  }

  /** Positive and negative images of one distribution, over many features. */
  @Test
  void withoutAnyDifferenceScoresAreAtChance() {
    float[] rows = rows(400, 3);
    List<ProxySubject> subjects = new ArrayList<>();
    var random = new SplittableRandom(4);
    for (int f = 0; f < 400; f++) {
      int[] tops = random.ints(0, 400).distinct().limit(16).toArray();
      subjects.add(new ProxySubject(f, tops, IntStream.of(tops).sorted().toArray(), axis(f % 6)));
    }
    List<ProxyScores> scores = new Proxies(rows, WIDTH, 20, 1).scores(subjects, n -> {});
    // 8,000 draws have a standard error of 0.006; those of a feature share its images.
    assertEquals(0.5, mean(scores, 0), 0.03);
    assertEquals(0.2, mean(scores, 1), 0.03);
    assertEquals(0.5, mean(scores, 2), 0.03);
  }

  private static double mean(List<ProxyScores> scores, int which) {
    return scores.stream()
        .mapToDouble(
            s -> value(Arrays.asList(s.twoAfc(), s.intruder(), s.verification()).get(which)))
        .average()
        .orElseThrow();
  }

  /**
   * Ten top images, so that nine along axis 0 and one along axis 1 give two kinds of draws, and ten
   * negative ones along axis 2. With axis 1 as the query both queries have the score: 0 − 0 against
   * 0 − 1, and the positive one wins. Intruders: with axis 1 among the four, two images have no
   * kin, and share the point.
   */
  @Test
  void aSmallCaseByHand() {
    int[] axes = IntStream.range(0, 20).map(i -> i < 9 ? 0 : i == 9 ? 1 : 2).toArray();
    int draws = 20_000;
    ProxyScores scores = score(alongAxes(axes), draws, first(10), axis(0));
    assertEquals(1.0, scores.twoAfc());
    assertEquals(0.6 + 0.4 * 0.5, value(scores.intruder()), 5 * 0.25 / Math.sqrt(draws));
    assertEquals(0.9 + 0.1 * 0.5, value(scores.verification()), 5 * 0.15 / Math.sqrt(draws));
    // The negative side is no cluster now: axis 1 as the query has 0 − 5/9 at most, and loses.
    int[] shared = IntStream.range(0, 20).map(i -> i < 9 ? 0 : i < 15 ? 1 : 2).toArray();
    double won = value(score(alongAxes(shared), draws, first(10), null).twoAfc());
    // Nine negative references of ten: the query left out is along axis 1 (five of ten) or 2.
    // Against axis 2 the positive query along axis 1 has −5/9 and the other −4/9.
    // Against axis 1 both are along axis 1, and tie.
    assertEquals(0.9 + 0.1 * 0.5 * 0.5, won, 5 * 0.3 / Math.sqrt(draws));
  }

  @Test
  void tooFewImagesHaveNoScore() {
    float[] rows = rows(40, 5);
    assertEquals(ProxyScores.NONE, score(rows, 5, first(9), axis(0)));
    assertNotNull(score(rows, 5, first(10), axis(0)).twoAfc());
    assertEquals(ProxyScores.NONE, score(rows, 5, first(31), axis(0)), "nine others");
    assertNotNull(score(rows, 5, first(30), axis(0)).intruder());
  }

  /** Images that activate the feature, but are none of its top images, are no negatives. */
  @Test
  void knownActiveImagesAreNoNegatives() {
    int[] axes = IntStream.range(0, 40).map(i -> i < 16 ? 0 : i < 26 ? 1 : 0).toArray();
    int[] active = IntStream.concat(IntStream.range(0, 16), IntStream.range(26, 40)).toArray();
    var subject = new ProxySubject(1, first(16), active, axis(0));
    ProxyScores scores = new Proxies(alongAxes(axes), WIDTH, 50, 1).score(subject);
    assertEquals(new ProxyScores(1.0, 1.0, 1.0), scores);
  }

  @Test
  void onlySeedAndFeatureMoveAScore() {
    float[] rows = rows(200, 6);
    List<ProxySubject> subjects = new ArrayList<>();
    for (int f = 0; f < 30; f++) {
      int[] tops = IntStream.range(f, f + 16).toArray();
      subjects.add(new ProxySubject(ProxySubject.key("a", f), tops, tops, null));
    }
    Proxies proxies = new Proxies(rows, WIDTH, 20, 1);
    List<ProxyScores> scores = proxies.scores(subjects, n -> {});
    assertEquals(scores, proxies.scores(subjects, n -> {}));
    assertEquals(scores.reversed(), proxies.scores(subjects.reversed(), n -> {}));
    assertEquals(scores.get(11), proxies.score(subjects.get(11)));
    assertNotEquals(scores, new Proxies(rows, WIDTH, 20, 2).scores(subjects, n -> {}));
    ProxySubject bare = subjects.get(3);
    var named = new ProxySubject(bare.key(), bare.tops(), bare.active(), axis(0));
    assertEquals(scores.get(3).twoAfc(), proxies.score(named).twoAfc());
    assertEquals(scores.get(3).intruder(), proxies.score(named).intruder());
    // Features of other numbers or SAEs have draws of their own.
    var other = new ProxySubject(ProxySubject.key("b", 3), bare.tops(), bare.active(), null);
    boolean same = true;
    for (int seed = 0; seed < 5; seed++) {
      Proxies seeded = new Proxies(rows, WIDTH, 20, seed);
      same &= seeded.score(bare).equals(seeded.score(other));
    }
    assertFalse(same);
    assertTrue(scores.stream().mapToDouble(s -> value(s.twoAfc())).allMatch(s -> s >= 0 && s <= 1));
  }
}
