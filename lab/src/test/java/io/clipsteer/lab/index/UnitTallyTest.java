// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.lab.run.StatePort;
import io.clipsteer.lab.run.TokenLayout;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** One pass against plain loops over everything, in double. */
final class UnitTallyTest {
  private static final int IMAGES = 90;
  private static final int UNITS = 23;
  private static final int E = 9;
  private static final int TOP = 5;
  private static final int LABELS = 4;
  private static final TokenLayout ALL = new TokenLayout(0, 1 + 6, 1, 2, 3);

  @TempDir private Path temp;

  private float[][][] dense = new float[0][][];
  private double[][] embeddings = new double[0][];
  private boolean[][] has = new boolean[0][];

  @BeforeEach
  void draw() {
    Random random = new Random(5);
    dense = new float[IMAGES][ALL.count()][UNITS];
    embeddings = new double[IMAGES][E];
    has = new boolean[IMAGES][LABELS];
    for (int p = 0; p < IMAGES; p++) {
      double square = 0;
      for (int j = 0; j < E; j++) {
        embeddings[p][j] = random.nextGaussian() + (j == 0 ? 1 : 0);
        square += embeddings[p][j] * embeddings[p][j];
      }
      for (int j = 0; j < E; j++) embeddings[p][j] /= Math.sqrt(square);
      for (int l = 0; l < LABELS; l++) has[p][l] = random.nextInt(4) == 0;
      for (int t = 0; t < ALL.count(); t++) {
        // Unit 0 never fires; rounded values make ties; unit 1 follows a label.
        for (int u = 1; u < UNITS; u++) {
          if (random.nextInt(UNITS) < u && random.nextInt(3) == 0) {
            dense[p][t][u] = (1 + random.nextInt(6)) / 2f;
          }
        }
        if (has[p][0] && t == 3) dense[p][t][1] = 4;
      }
    }
    // Active on one image alone.
    for (int p = 0; p < IMAGES; p++) for (float[] token : dense[p]) token[2] = 0;
    dense[7][2][2] = 1;
  }

  private Codes codes(int first, int count, TokenLayout layout) {
    List<Integer> units = new ArrayList<>();
    List<Float> values = new ArrayList<>();
    int[] starts = new int[count * layout.count() + 1];
    for (int p = first; p < first + count; p++) {
      for (int t = 0; t < layout.count(); t++) {
        for (int u = 0; u < UNITS; u++) {
          float v = dense[p][layout.first() + t][u];
          // Codes may hold entries that do not count.
          if (v != 0 || u % 7 == 0) {
            units.add(u);
            values.add(v == 0 ? -1f : v);
          }
        }
        starts[(p - first) * layout.count() + t + 1] = units.size();
      }
    }
    float[] plain = new float[values.size()];
    for (int i = 0; i < plain.length; i++) plain[i] = values.get(i);
    return new Codes(starts, units.stream().mapToInt(i -> i).toArray(), plain);
  }

  private UnitTally tally(TokenLayout layout, int batch) {
    UnitTally tally = new UnitTally(layout, UNITS, E, TOP);
    for (int from = 0; from < IMAGES; from += batch) {
      int count = Math.min(batch, IMAGES - from);
      Codes codes = codes(from, count, layout);
      for (int i = 0; i < count; i++) {
        tally.add(from + i, embeddings[from + i], codes, i * layout.count(), null);
      }
    }
    return tally;
  }

  /** Blocks of 40 images, each written and read, added up. */
  private UnitTally blocks(TokenLayout layout) {
    UnitTally all = new UnitTally(layout, UNITS, E, TOP);
    for (int from = 0; from < IMAGES; from += 40) {
      int count = Math.min(40, IMAGES - from);
      UnitTally block = new UnitTally(layout, UNITS, E, TOP);
      Codes codes = codes(from, count, layout);
      for (int i = 0; i < count; i++) {
        block.add(i, embeddings[from + i], codes, i * layout.count(), null);
      }
      var out = new ByteArrayOutputStream();
      block.move(StatePort.to(out));
      UnitTally read = new UnitTally(layout, UNITS, E, TOP);
      read.move(StatePort.from(new ByteArrayInputStream(out.toByteArray())));
      all.add(read);
    }
    return all;
  }

  @Test
  void blocksAddUpToTheWhole() {
    UnitTally whole = tally(ALL, 7);
    UnitTally sum = blocks(ALL);
    assertEquals(whole.imageCount(), sum.imageCount());
    assertArrayEquals(whole.meanEmbedding(), sum.meanEmbedding(), 1e-14);
    for (int u = 0; u < UNITS; u++) {
      assertEquals(whole.images(u), sum.images(u));
      assertEquals(whole.frequency(u), sum.frequency(u), "counts are exact");
      assertEquals(whole.frequencyCls(u), sum.frequencyCls(u));
      assertEquals(whole.frequencyPatches(u), sum.frequencyPatches(u));
      assertEquals(whole.max(u), sum.max(u));
      assertArrayEquals(whole.histogram(u), sum.histogram(u));
      assertEquals(whole.mean(u), sum.mean(u), 1e-14);
      assertArrayEquals(whole.position(u), sum.position(u), 1e-7f);
      assertEquals(whole.strength(u), sum.strength(u), 1e-12);
      Double own = whole.monosemanticity(u);
      Double other = sum.monosemanticity(u);
      if (own == null || other == null) assertEquals(own, other);
      else assertEquals(own, other, 1e-12);
      for (boolean byMax : new boolean[] {true, false}) {
        TopImage[] expected = whole.top(u, byMax);
        TopImage[] actual = sum.top(u, byMax);
        assertEquals(expected.length, actual.length);
        for (int k = 0; k < expected.length; k++) {
          assertEquals(expected[k].image(), actual[k].image(), "unit " + u + " rank " + k);
          assertEquals(expected[k].max(), actual[k].max());
          assertEquals(expected[k].mean(), actual[k].mean());
          assertEquals(expected[k].patch(), actual[k].patch());
          assertArrayEquals(expected[k].patches(), actual[k].patches());
          assertArrayEquals(expected[k].activations(), actual[k].activations());
        }
      }
    }
  }

  @Test
  void scoresOfBlocksAddUp() {
    try (ScoreFile whole = new ScoreFile(temp, UNITS);
        ScoreFile sum = new ScoreFile(temp, UNITS)) {
      scores(0, IMAGES, whole);
      for (int from = 0; from < IMAGES; from += 40) {
        try (ScoreFile block = new ScoreFile(temp, UNITS);
            ScoreFile read = new ScoreFile(temp, UNITS)) {
          scores(from, Math.min(40, IMAGES - from), block);
          var out = new ByteArrayOutputStream();
          block.move(StatePort.to(out));
          read.move(StatePort.from(new ByteArrayInputStream(out.toByteArray())));
          sum.add(read, from);
        }
      }
      ScoreFile.Slice expected = whole.read(3, 20);
      ScoreFile.Slice actual = sum.read(3, 20);
      assertArrayEquals(expected.starts(), actual.starts());
      assertArrayEquals(expected.images(), actual.images());
      assertArrayEquals(expected.max(), actual.max());
      assertArrayEquals(expected.mean(), actual.mean());
      assertTrue(expected.images().length > 100);
    }
  }

  private void scores(int from, int count, ScoreFile into) {
    UnitTally tally = new UnitTally(ALL, UNITS, E, TOP);
    Codes codes = codes(from, count, ALL);
    for (int i = 0; i < count; i++) {
      tally.add(i, embeddings[from + i], codes, i * ALL.count(), into);
    }
  }

  private double max(TokenLayout layout, int p, int u) {
    double max = 0;
    for (int t = 0; t < layout.count(); t++) max = Math.max(max, dense[p][layout.first() + t][u]);
    return max;
  }

  private double mean(TokenLayout layout, int p, int u) {
    double sum = 0;
    for (int t = 0; t < layout.count(); t++) sum += dense[p][layout.first() + t][u];
    return sum / layout.count();
  }

  @Test
  void countsAndSumsAreThoseOfPlainLoops() {
    for (TokenLayout layout : List.of(ALL, new TokenLayout(1, 6, 1, 2, 3))) {
      UnitTally tally = tally(layout, 7);
      for (int u = 0; u < UNITS; u++) {
        long active = 0;
        long cls = 0;
        double sum = 0;
        double clsSum = 0;
        double max = 0;
        double[] grid = new double[6];
        int[] bins = new int[HalfOctaves.COUNT];
        for (float[][] image : dense) {
          for (int t = layout.first(); t < 7; t++) {
            double v = image[t][u];
            if (v <= 0) continue;
            active++;
            sum += v;
            max = Math.max(max, v);
            bins[(int) Math.clamp(Math.floor(2 * Math.log(v) / Math.log(2) + 1e-9) + 20, 0, 39)]++;
            if (t == 0) {
              cls++;
              clsSum += v;
            } else {
              grid[t - 1] += v / IMAGES;
            }
          }
        }
        double tokens = IMAGES * layout.count();
        assertEquals(active / tokens, tally.frequency(u), 1e-12);
        assertEquals(sum / tokens, tally.mean(u), 1e-12);
        assertEquals(active == 0 ? 0 : sum / active, tally.meanActive(u), 1e-12);
        assertEquals(max, tally.max(u));
        int unit = u;
        assertEquals(
            IntStream.range(0, IMAGES).filter(p -> max(layout, p, unit) > 0).count(),
            tally.images(u));
        if (layout.first() == 0) {
          assertEquals((double) cls / IMAGES, tally.frequencyCls(u));
          Double share = tally.clsShare(u);
          if (sum == 0) assertNull(share);
          else assertEquals(clsSum / sum, value(share), 1e-12);
        } else {
          assertNull(tally.frequencyCls(u));
          assertNull(tally.clsShare(u));
        }
        Double patches = tally.frequencyPatches(u);
        assertEquals((active - cls) / (IMAGES * 6.0), value(patches), 1e-12);
        if (active == 0) {
          assertNull(tally.histogram(u));
          assertNull(tally.position(u));
        } else {
          assertArrayEquals(bins, tally.histogram(u));
          float[] position = tally.position(u);
          assertNotNull(position);
          for (int p = 0; p < 6; p++) assertEquals(grid[p], position[p], 1e-6);
        }
      }
    }
  }

  private static double value(@Nullable Double value) {
    return Objects.requireNonNull(value);
  }

  @Test
  void monosemanticityIsThatOfAllPairs() {
    UnitTally tally = tally(ALL, 16);
    for (int u = 0; u < UNITS; u++) {
      double pairs = 0;
      double weights = 0;
      for (int p = 0; p < IMAGES; p++) {
        for (int q = 0; q < IMAGES; q++) {
          if (p == q) continue;
          double cosine = 0;
          for (int j = 0; j < E; j++) cosine += embeddings[p][j] * embeddings[q][j];
          double weight = max(ALL, p, u) * max(ALL, q, u);
          pairs += weight * cosine;
          weights += weight;
        }
      }
      Double value = tally.monosemanticity(u);
      if (u == 0 || u == 2) assertNull(value, "unit " + u);
      else assertEquals(pairs / weights, value(value), 1e-12);
    }
  }

  @Test
  void strengthIsTheLengthOfTheCovarianceOverTheActivationsDeviation() {
    UnitTally tally = tally(ALL, 16);
    for (int u = 0; u < UNITS; u++) {
      double mean = 0;
      for (int p = 0; p < IMAGES; p++) mean += max(ALL, p, u) / IMAGES;
      double variance = 0;
      double[] covariance = new double[E];
      for (int p = 0; p < IMAGES; p++) {
        double off = max(ALL, p, u) - mean;
        variance += off * off / IMAGES;
        for (int j = 0; j < E; j++) covariance[j] += off * embeddings[p][j] / IMAGES;
      }
      double square = 0;
      for (double c : covariance) square += c * c;
      assertEquals(u == 0 ? 0 : Math.sqrt(square / variance), tally.strength(u), 1e-12);
    }
  }

  @Test
  void theStrongestImagesAndTheirMapsAreKept() {
    UnitTally tally = tally(ALL, 11);
    for (int u = 0; u < UNITS; u++) {
      for (boolean byMax : new boolean[] {true, false}) {
        int unit = u;
        int[] expected =
            IntStream.range(0, IMAGES)
                .boxed()
                .filter(p -> max(ALL, p, unit) > 0)
                .sorted(
                    Comparator.comparingDouble(
                        p -> byMax ? -max(ALL, p, unit) : -(float) mean(ALL, p, unit)))
                .limit(TOP)
                .mapToInt(p -> p)
                .toArray();
        TopImage[] kept = tally.top(u, byMax);
        assertArrayEquals(expected, Arrays.stream(kept).mapToInt(TopImage::image).toArray());
        for (TopImage k : kept) {
          assertEquals(max(ALL, k.image(), u), k.max());
          assertEquals(mean(ALL, k.image(), u), k.mean(), 1e-6);
          float[] map = new float[6];
          for (int i = 0; i < k.patches().length; i++) map[k.patches()[i]] = k.activations()[i];
          int best = -1;
          for (int p = 0; p < 6; p++) {
            assertEquals(dense[k.image()][1 + p][u], map[p]);
            if (map[p] > (best < 0 ? 0 : map[best])) best = p;
          }
          assertEquals(best, k.patch());
        }
      }
    }
  }

  @Test
  void halfOctavesHoldTheirLowerEdge() {
    assertEquals(20, HalfOctaves.of(1));
    assertEquals(20, HalfOctaves.of(1.4142f));
    assertEquals(21, HalfOctaves.of(1.4143f));
    assertEquals(22, HalfOctaves.of(2));
    assertEquals(0, HalfOctaves.of(Float.MIN_VALUE));
    assertEquals(0, HalfOctaves.of(1e-9f));
    assertEquals(HalfOctaves.COUNT - 1, HalfOctaves.of(1e30f));
  }

  @Test
  void associationsAreThoseOfAllPairs() throws Exception {
    var known = new Association.ImageLabels();
    UnitTally tally = new UnitTally(ALL, UNITS, E, 0);
    List<Association> all = new ArrayList<>();
    // Every ninth image is not in the table.
    int[] images = IntStream.range(0, IMAGES).filter(p -> p % 9 != 8).toArray();
    try (ScoreFile scores = new ScoreFile(temp, UNITS)) {
      for (int p = 0; p < IMAGES; p++) {
        boolean in = p % 9 != 8;
        int image = p;
        if (in) {
          known.add(p, IntStream.range(0, LABELS).filter(l -> has[image][l]).toArray());
        }
        tally.add(p, embeddings[p], codes(p, 1, ALL), 0, scores);
      }
      boolean[] kept = new boolean[LABELS + 1];
      Arrays.fill(kept, 0, LABELS, true);
      Association.all(scores, UNITS, known, kept, all::add);
      // In slices as small as can be it is the same.
      assertEquals(3, scores.end(2, 1));
      ScoreFile.Slice slice = scores.read(1, 2);
      assertEquals(scores.count(1), slice.images().length);
    }
    try (var left = Files.list(temp)) {
      assertEquals(0, left.count());
    }
    assertEquals((UNITS - 1) * LABELS * 2, all.size());
    for (Association a : all) {
      double above = 0;
      long positives = 0;
      double[] xs = new double[images.length];
      double[] ys = new double[images.length];
      for (int i = 0; i < images.length; i++) {
        int p = images[i];
        xs[i] = a.byMax() ? max(ALL, p, a.unit()) : (float) mean(ALL, p, a.unit());
        ys[i] = has[p][a.label()] ? 1 : 0;
        if (ys[i] == 1) positives++;
      }
      for (int i = 0; i < xs.length; i++) {
        for (int j = 0; j < xs.length; j++) {
          if (ys[i] == 1 && ys[j] == 0) above += xs[i] > xs[j] ? 1 : xs[i] == xs[j] ? 0.5 : 0;
        }
      }
      assertEquals(positives, a.positives());
      double pairs = (double) positives * (xs.length - positives);
      assertEquals(above / pairs, a.auroc().value(), 1e-12);
      assertTrue(a.auroc().low() <= a.auroc().value() && a.auroc().value() <= a.auroc().high());
      assertEquals(correlation(xs, ys), a.correlation().value(), 1e-9);
      if (a.unit() == 1 && a.label() == 0 && a.byMax()) assertEquals(1, a.auroc().value());
    }
  }

  private static double correlation(double[] xs, double[] ys) {
    double mx = Arrays.stream(xs).average().orElseThrow();
    double my = Arrays.stream(ys).average().orElseThrow();
    double xy = 0;
    double xx = 0;
    double yy = 0;
    for (int i = 0; i < xs.length; i++) {
      xy += (xs[i] - mx) * (ys[i] - my);
      xx += (xs[i] - mx) * (xs[i] - mx);
      yy += (ys[i] - my) * (ys[i] - my);
    }
    return xy / Math.sqrt(xx * yy);
  }

  @Test
  void neuronsAreCoordinatesOfBothSigns() {
    Codes codes = Codes.ofNeurons(new float[] {1, -2, 0, 4, 5, -6}, 3);
    assertArrayEquals(new int[] {0, 3, 6}, codes.starts());
    assertArrayEquals(new int[] {0, 4, 2, 0, 1, 5}, codes.units());
    assertArrayEquals(new float[] {1, 2, 0, 4, 5, 6}, codes.values());
  }
}
