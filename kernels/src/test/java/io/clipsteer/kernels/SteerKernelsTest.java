// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The Vector API's sweep against the reference in float64, and the reference against hand sums. */
final class SteerKernelsTest {
  private static final Arena ARENA = Arena.ofShared();
  private static final SteerKernels FAST = SteerKernels.best();
  private static final SteerKernels PLAIN = ScalarSteer.INSTANCE;

  @AfterAll
  static void close() {
    ARENA.close();
  }

  private static MemorySegment of(float... values) {
    return ARENA.allocateFrom(ValueLayout.JAVA_FLOAT, values);
  }

  private static MemorySegment random(Random random, int n, double deviation) {
    float[] values = new float[n];
    for (int i = 0; i < n; i++) values[i] = (float) (deviation * random.nextGaussian());
    return of(values);
  }

  private static MemorySegment probabilities(Random random, int rows, int words) {
    float[] values = new float[rows * words];
    for (int r = 0; r < rows; r++) {
      double sum = 0;
      double[] row = random.doubles(words).map(Math::exp).toArray();
      for (double one : row) sum += one;
      for (int w = 0; w < words; w++) values[r * words + w] = (float) (row[w] / sum);
    }
    return of(values);
  }

  private static double[] weights(Random random, int pairs, double size) {
    double[] weights = new double[pairs * SteerKernels.WEIGHTS];
    for (int p = 0; p < pairs; p++) {
      weights[p * 3] = size * (0.2 + random.nextDouble());
      weights[p * 3 + 1] = size * (random.nextDouble() - 0.3);
      weights[p * 3 + 2] = size * random.nextGaussian();
    }
    return weights;
  }

  /** Sums and squares of all units, one after the other. */
  private static double[] all(
      SteerKernels kernels,
      SteerKernels.SweepInput answers,
      MemorySegment directions,
      double[] weights,
      int units) {
    int each = answers.groups() * answers.words() + 1;
    double[] all = new double[units * each];
    kernels.sweep(
        answers,
        directions,
        weights,
        units,
        (unit, sums, stride, squares) -> {
          for (int g = 0; g < answers.groups(); g++) {
            for (int w = 0; w < answers.words(); w++) {
              all[unit * each + g * answers.words() + w] = sums[g * stride + w];
            }
          }
          all[unit * each + each - 1] = squares;
        });
    return all;
  }

  @ParameterizedTest
  @CsvSource({
    "1,1,1,1,5,false", "3,7,5,2,5,false", "5,16,17,4,20,true", "4,33,1000,16,40,false",
    "2,13,31,13,3,true", "3,12,144,3,90,false", "2,21,63,16,400,false", "2,8,100,8,300,true",
  })
  void vectorsGiveWhatTheReferenceGives(
      int units, int images, int words, int groups, double size, boolean perUnit) {
    Random random = new Random(units * 31L + words);
    var answers =
        new SteerKernels.SweepInput(
            random(random, (perUnit ? units : 1) * images * words, 0.3),
            perUnit,
            random(random, words, 0.1),
            probabilities(random, images, words),
            images,
            words,
            groups);
    MemorySegment directions = random(random, units * words, 0.3);
    double[] weights = weights(random, units * images, size);
    double[] expected = all(PLAIN, answers, directions, weights, units);
    double[] actual = all(FAST, answers, directions, weights, units);
    // A probability is wrong by at most p(1 − p) times the logits' rounding, some 1e-7 of them.
    double each = 2e-7 * (2 + size) * ((images + groups - 1) / groups);
    assertArrayEquals(expected, actual, each);
    assertArrayEquals(actual, all(FAST, answers, directions, weights, units), "not the same bytes");
  }

  @Test
  void theEquationByHand() {
    // Two words, one image: logits 2·1 + 3·0.5 + 4·(−1) = −0.5 and 2·0 + 3·1 + 4·0.25 = 4.
    var answers =
        new SteerKernels.SweepInput(of(1, 0), false, of(0.5f, 1), of(0.25f, 0.75f), 1, 2, 1);
    double p = 1 / (1 + Math.exp(4.5));
    double[] expected = {p - 0.25, 0.25 - p, 2 * (p - 0.25) * (p - 0.25)};
    MemorySegment direction = of(-1, 0.25f);
    double[] weights = {2, 3, 4};
    assertArrayEquals(expected, all(PLAIN, answers, direction, weights, 1), 1e-7);
    assertArrayEquals(expected, all(FAST, answers, direction, weights, 1), 1e-7);
  }

  @Test
  void theExponentialKeepsItsBound() {
    double worst = 0;
    float[] powers = new float[1 << 14];
    for (int part = 0; part < 125; part++) {
      float[] t = new float[powers.length];
      for (int i = 0; i < t.length; i++) t[i] = -(part + (i + 0.5f) / t.length);
      System.arraycopy(t, 0, powers, 0, t.length);
      VectorSteer.exp2(powers);
      for (int i = 0; i < t.length; i++) {
        worst = Math.max(worst, Math.abs(powers[i] / Math.pow(2, t[i]) - 1));
      }
    }
    assertTrue(worst < 2.5e-7, "relative error " + worst);
    float[] edges = {0, -1, -0.5f, -1e30f, -126};
    VectorSteer.exp2(edges);
    assertEquals(1, edges[0], 2.5e-7);
    assertEquals(0.5, edges[1], 1.3e-7);
    assertEquals(Math.sqrt(0.5), edges[2], 2e-7);
    assertEquals(0, edges[3], 1e-37);
    assertEquals(0, edges[4], 1e-37);
  }

  @ParameterizedTest
  @CsvSource({"1,1,1", "3,17,20", "16,1000,1008", "5,513,513", "2,31,48"})
  void productsAndTotals(int n, int width, int stride) {
    Random random = new Random(width);
    float[] rows = new float[n * stride];
    for (int i = 0; i < rows.length; i++) rows[i] = (float) random.nextGaussian();
    double[] expected = PLAIN.gram(rows, n, width, stride);
    assertArrayEquals(expected, FAST.gram(rows, n, width, stride), 1e-6 * width);
    double sum = 0;
    for (int w = 0; w < width; w++) sum += (double) rows[w] * rows[(n - 1) * stride + w];
    assertEquals(sum, expected[n - 1], 1e-9);
    double[] plain = new double[width];
    double[] fast = new double[width];
    PLAIN.total(rows, n, width, stride, plain);
    FAST.total(rows, n, width, stride, fast);
    assertArrayEquals(plain, fast, 1e-12);
  }

  @Test
  void badSizesAreRefused() {
    MemorySegment two = of(1, 2);
    assertThrows(
        IllegalArgumentException.class,
        () -> new SteerKernels.SweepInput(two, false, two, two, 2, 2, 1));
    assertThrows(
        IllegalArgumentException.class,
        () -> new SteerKernels.SweepInput(two, false, two, two, 1, 2, 2));
    var answers = new SteerKernels.SweepInput(two, false, two, two, 1, 2, 1);
    assertThrows(
        IllegalArgumentException.class,
        () -> FAST.sweep(answers, two, new double[] {1, 1}, 1, (u, s, r, q) -> {}));
    assertThrows(
        IllegalArgumentException.class,
        () -> FAST.sweep(answers, two, new double[] {0, 1, 1}, 1, (u, s, r, q) -> {}));
    assertThrows(
        IllegalArgumentException.class,
        () -> FAST.sweep(answers, two, new double[6], 2, (u, s, r, q) -> {}));
  }
}
