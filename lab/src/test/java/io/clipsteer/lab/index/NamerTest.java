// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Progress;
import io.clipsteer.engine.model.TextLibrary;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Names and their nulls against plain loops in double. */
final class NamerTest {
  private static final int IMAGES = 70;
  private static final int WORDS = 40;
  private static final int UNITS = 70;
  private static final int E = 6;
  private static final double SCALE = 12;

  @TempDir private Path temp;

  private final Random random = new Random(3);
  private final float[] images = rows(IMAGES);
  private final float[] texts = rows(WORDS);
  private final float[][] activations = new float[UNITS][IMAGES];
  private final float[] base = rows(1);
  private final float[] steered = rows(UNITS);
  private final List<double[]> byWord = new ArrayList<>();

  private float[] rows(int count) {
    float[] rows = new float[count * E];
    for (int i = 0; i < rows.length; i++) rows[i] = (float) random.nextGaussian();
    UnitVectors.normalise(rows, E);
    return rows;
  }

  private List<UnitName> names() {
    // Word 1 is nearly word 0: a synonym.
    for (int j = 0; j < E; j++) texts[E + j] = texts[j] + (j == 0 ? 1e-3f : 0);
    List<String> words = IntStream.range(0, WORDS).mapToObj(w -> "w" + w).toList();
    try (ScoreFile scores = new ScoreFile(temp, UNITS)) {
      for (int i = 0; i < IMAGES; i++) {
        int[] units = new int[UNITS];
        float[] max = new float[UNITS];
        int count = 0;
        for (int u = 0; u < UNITS; u++) {
          // Unit 5 is never active, unit 6 follows word 0.
          boolean active = u == 6 ? probability(i)[0] > 0.05 : u != 5 && random.nextInt(4) == 0;
          if (!active) continue;
          activations[u][i] = u == 6 ? (float) probability(i)[0] : 1 + random.nextFloat();
          units[count] = u;
          max[count++] = activations[u][i];
        }
        scores.add(i, count, units, max, max);
      }
      var vectors =
          new UnitVectors(new float[UNITS * E], new float[0], new float[UNITS], steered, base, E);
      var library = new TextLibrary(words, texts, E);
      var answers = new ImageWords(library, images, SCALE);
      return new Namer(library, answers, SCALE).names(scores, vectors, Progress.SILENT);
    }
  }

  private double[] softmax(float[] rows, int row, double scale) {
    double norm = 0;
    for (int j = 0; j < E; j++) norm += rows[row * E + j] * (double) rows[row * E + j];
    double[] p = new double[WORDS];
    double sum = 0;
    for (int w = 0; w < WORDS; w++) {
      double cosine = 0;
      for (int j = 0; j < E; j++) cosine += (double) rows[row * E + j] * texts[w * E + j];
      p[w] = Math.exp(scale * cosine / Math.sqrt(norm));
      sum += p[w];
    }
    for (int w = 0; w < WORDS; w++) p[w] /= sum;
    return p;
  }

  private double[] probability(int image) {
    return softmax(images, image, ImageWords.SHARPNESS * SCALE);
  }

  private double[] ofWord(int word) {
    if (byWord.isEmpty()) {
      double[][] p =
          IntStream.range(0, IMAGES).mapToObj(this::probability).toArray(double[][]::new);
      for (int w = 0; w < WORDS; w++) {
        int column = w;
        byWord.add(IntStream.range(0, IMAGES).mapToDouble(i -> p[i][column]).toArray());
      }
    }
    return byWord.get(word);
  }

  private static double correlation(double[] a, double[] b) {
    double meanA = IntStream.range(0, a.length).mapToDouble(i -> a[i]).average().orElseThrow();
    double meanB = IntStream.range(0, b.length).mapToDouble(i -> b[i]).average().orElseThrow();
    double ab = 0;
    double aa = 0;
    double bb = 0;
    for (int i = 0; i < a.length; i++) {
      ab += (a[i] - meanA) * (b[i] - meanB);
      aa += (a[i] - meanA) * (a[i] - meanA);
      bb += (b[i] - meanB) * (b[i] - meanB);
    }
    return ab / Math.sqrt(aa * bb);
  }

  private double[] scores(int unit) {
    double[] a = IntStream.range(0, IMAGES).mapToDouble(i -> activations[unit][i]).toArray();
    return IntStream.range(0, WORDS).mapToDouble(w -> correlation(a, ofWord(w))).toArray();
  }

  private double[] changes(int unit) {
    double[] before = softmax(base, 0, SCALE);
    double[] after = softmax(steered, unit, SCALE);
    return IntStream.range(0, WORDS).mapToDouble(w -> after[w] - before[w]).toArray();
  }

  private static List<Integer> order(double[] scores) {
    return IntStream.range(0, scores.length)
        .boxed()
        .sorted(Comparator.comparingDouble(w -> -scores[w]))
        .toList();
  }

  /** The margin is over the next word whose probabilities correlate by less than 0.8. */
  private double margin(double[] scores, int rank) {
    List<Integer> order = order(scores);
    double[] own = ofWord(order.get(rank));
    int next = rank + 1;
    while (correlation(own, ofWord(order.get(next))) >= Namer.SYNONYMS) next++;
    return scores[order.get(rank)] - scores[order.get(next)];
  }

  private static double z(double[] scores, double score) {
    double mean = IntStream.range(0, WORDS).mapToDouble(w -> scores[w]).average().orElseThrow();
    double square = 0;
    for (double s : scores) square += (s - mean) * (s - mean) / WORDS;
    return (score - mean) / Math.sqrt(square);
  }

  @Test
  void namesAreThoseOfPlainLoops() {
    List<UnitName> names = names();
    assertEquals((UNITS - 1) * 2 * Namer.KEPT, names.size());
    boolean synonym = false;
    for (UnitName name : names) {
      double[] byImages = scores(name.unit());
      double[] changes = changes(name.unit());
      double[] scores = name.method().equals(Namer.IMAGES) ? byImages : changes;
      int word = order(scores).get(name.rank() - 1);
      assertEquals("w" + word, name.word(), name::toString);
      assertEquals(scores[word], name.score(), 1e-5, name::toString);
      assertEquals(margin(scores, name.rank() - 1), name.margin(), 2e-5, name::toString);
      assertEquals(z(scores, scores[word]), name.wordsZ(), 1e-3, name::toString);
      assertEquals(changes[word], name.change(), 1e-5, name::toString);
      synonym |= word <= 1 && name.margin() > scores[word] - scores[1 - word] + 1e-3;
      assertFalse(name.unit() == 5, "a unit that is never active has no name");
    }
    assertTrue(synonym, "no margin passed over a synonym");
  }

  /** A unit that follows a word is named by it, clearly; random units are not. */
  @Test
  void onlyAUnitThatFollowsAWordHasAClearName() {
    List<UnitName> clear =
        names().stream().filter(n -> n.method().equals(Namer.IMAGES) && n.isClear()).toList();
    assertTrue(clear.stream().anyMatch(n -> n.unit() == 6), clear::toString);
    assertTrue(List.of("w0", "w1").contains(clear.getFirst().word()), clear::toString);
    assertTrue(clear.size() <= 3, clear::toString);
  }

  /** Over all orders of the images a correlation has mean 0 and variance 1/(n − 1), exactly. */
  @Test
  void shuffledImagesAreTheNull() {
    double[] a = {0, 0, 3, 0, 1, 7};
    double[] p = {0.1, 0.9, 0.2, 0.2, 0.05, 0.6};
    List<Double> all = new ArrayList<>();
    permute(a, 0, shuffled -> all.add(correlation(shuffled, p)));
    assertEquals(720, all.size());
    double mean = all.stream().mapToDouble(r -> r).average().orElseThrow();
    double square = all.stream().mapToDouble(r -> r * r).average().orElseThrow();
    assertEquals(0, mean, 1e-12);
    assertEquals(1.0 / (a.length - 1), square, 1e-12);
  }

  private static void permute(double[] a, int from, Consumer<double[]> use) {
    if (from == a.length) use.accept(a.clone());
    for (int i = from; i < a.length; i++) {
      swap(a, from, i);
      permute(a, from + 1, use);
      swap(a, from, i);
    }
  }

  private static void swap(double[] a, int i, int j) {
    double kept = a[i];
    a[i] = a[j];
    a[j] = kept;
  }
}
