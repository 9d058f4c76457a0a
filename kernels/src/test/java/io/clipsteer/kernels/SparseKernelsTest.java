// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The Vector API's kernels against the scalar reference, and the reference against hand-made sums.
 */
final class SparseKernelsTest {
  private static final Arena ARENA = Arena.ofShared();
  private static final SparseKernels FAST = SparseKernels.best();
  private static final SparseKernels PLAIN = ScalarSparse.INSTANCE;
  private static final SparseKernels.Adam ADAM =
      new SparseKernels.Adam(1e-3, 0.9, 0.999, 1e-8, 3, 0.7);

  @AfterAll
  static void close() {
    ARENA.close();
  }

  private static MemorySegment of(float... values) {
    return ARENA.allocateFrom(ValueLayout.JAVA_FLOAT, values);
  }

  private static MemorySegment random(Random random, long n) {
    float[] values = new float[(int) n];
    for (int i = 0; i < n; i++) values[i] = (float) random.nextGaussian();
    return of(values);
  }

  private static MemorySegment copy(MemorySegment of) {
    return ARENA.allocate(of.byteSize()).copyFrom(of);
  }

  private static float[] floats(MemorySegment of) {
    return of.toArray(ValueLayout.JAVA_FLOAT);
  }

  /** Rows of 0 to most entries, every column at most once, a few values negative or zero. */
  private static SparseRows code(Random random, int rows, int columns, int most) {
    int[] starts = new int[rows + 1];
    int[][] chosen = new int[rows][];
    for (int r = 0; r < rows; r++) {
      int n = random.nextInt(Math.min(most, columns) + 1);
      chosen[r] = random.ints(0, columns).distinct().limit(n).sorted().toArray();
      starts[r + 1] = starts[r] + n;
    }
    int[] indices = Arrays.stream(chosen).flatMapToInt(Arrays::stream).toArray();
    float[] values = new float[indices.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextInt(5) == 0 ? 0 : (float) Math.abs(random.nextGaussian());
    }
    return new SparseRows(
        columns, starts, ARENA.allocateFrom(ValueLayout.JAVA_INT, indices), of(values));
  }

  @ParameterizedTest
  @CsvSource({"1,1,1,1", "7,3,2,3", "33,17,40,9", "64,48,100,16", "5,31,7,7", "128,65,512,37"})
  void vectorsGiveWhatTheReferenceGives(int rows, int width, int features, int most) {
    Random random = new Random(rows * 31L + width);
    SparseRows code = code(random, rows, features, most);
    MemorySegment input = random(random, (long) rows * width);
    MemorySegment weights = random(random, (long) features * width);
    MemorySegment bias = random(random, Math.max(features, width));
    double tolerance = 2e-6 * Math.sqrt(width) * (1 + most);

    var weightsAndBias = new SparseKernels.Affine(weights, bias, width);
    SparseRows rescored =
        new SparseRows(features, code.starts(), code.indices(), copy(code.values()));
    FAST.rescore(input, rescored, weightsAndBias);
    SparseRows expected =
        new SparseRows(features, code.starts(), code.indices(), copy(code.values()));
    PLAIN.rescore(input, expected, weightsAndBias);
    assertArrayEquals(floats(expected.values()), floats(rescored.values()), (float) tolerance);

    MemorySegment[] gradients = new MemorySegment[2];
    MemorySegment[] codeGradients = new MemorySegment[2];
    double[][] squares = new double[2][];
    var target = new SparseKernels.GradientTarget(input, random(random, rows), 0.01);
    for (int i = 0; i < 2; i++) {
      gradients[i] = ARENA.allocate(4L * rows * width);
      codeGradients[i] = ARENA.allocate(Math.max(4L, 4L * code.entries()));
      squares[i] =
          (i == 0 ? PLAIN : FAST)
              .reconstruct(code, weightsAndBias, target, gradients[i], codeGradients[i]);
    }
    for (int i = 0; i < rows; i++) {
      assertEquals(squares[0][i], squares[1][i], 1e-5 * squares[0][i] + 1e-9);
    }
    assertArrayEquals(floats(gradients[0]), floats(gradients[1]), (float) tolerance);
    assertArrayEquals(
        floats(codeGradients[0]), floats(codeGradients[1]), (float) (tolerance * (1 + most)));

    MemorySegment[] decoded = {
      ARENA.allocate(4L * rows * width), ARENA.allocate(4L * rows * width)
    };
    PLAIN.decode(code, weightsAndBias, decoded[0]);
    FAST.decode(code, weightsAndBias, decoded[1]);
    assertArrayEquals(floats(decoded[0]), floats(decoded[1]), (float) tolerance);

    var gradient = new SparseKernels.SparseGradient(code.byColumn(), code.values(), input, width);
    MemorySegment unitWeights = unitRows(weights, features, width);
    for (MemorySegment along : new MemorySegment[] {null, unitWeights}) {
      double expectedNorm = PLAIN.gradientSquares(gradient, along);
      double norm = FAST.gradientSquares(gradient, along);
      assertEquals(expectedNorm, norm, 1e-5 * expectedNorm + 1e-9);
    }

    for (boolean unit : new boolean[] {false, true}) {
      SparseKernels.Moments[] matrices = new SparseKernels.Moments[2];
      MemorySegment start = unit ? unitRows(weights, features, width) : weights;
      MemorySegment first = random(new Random(5), (long) features * width);
      MemorySegment second = squared(first);
      for (int i = 0; i < 2; i++) {
        matrices[i] = new SparseKernels.Moments(copy(start), copy(first), copy(second));
        (i == 0 ? PLAIN : FAST).adam(gradient, matrices[i], ADAM, unit);
      }
      assertArrayEquals(floats(matrices[0].first()), floats(matrices[1].first()), 1e-4f);
      assertArrayEquals(floats(matrices[0].second()), floats(matrices[1].second()), 1e-4f);
      assertArrayEquals(floats(matrices[0].value()), floats(matrices[1].value()), 1e-4f);
    }
  }

  @ParameterizedTest
  @CsvSource({"1,1", "3,15", "7,16", "5,17", "9,100", "2,515"})
  void entriesAboveTheirBound(int rows, int columns) {
    Random random = new Random(columns);
    MemorySegment matrix = random(random, (long) rows * columns);
    matrix.set(ValueLayout.JAVA_FLOAT, 0, Float.NaN);
    MemorySegment bounds = random(random, columns);
    int[] counts = new int[rows];
    RowKernels.countAbove(matrix, columns, bounds, counts);
    int[] starts = new int[rows + 1];
    for (int r = 0; r < rows; r++) starts[r + 1] = starts[r] + counts[r];
    MemorySegment indices = ARENA.allocate(Math.max(4, 4L * starts[rows]));
    MemorySegment values = ARENA.allocate(Math.max(4, 4L * starts[rows]));
    RowKernels.takeAbove(matrix, columns, bounds, starts, indices, values);
    int e = 0;
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < columns; c++) {
        float value = matrix.getAtIndex(ValueLayout.JAVA_FLOAT, (long) r * columns + c);
        if (!(value > bounds.getAtIndex(ValueLayout.JAVA_FLOAT, c))) continue;
        assertEquals(c, indices.getAtIndex(ValueLayout.JAVA_INT, e));
        assertEquals(value, values.getAtIndex(ValueLayout.JAVA_FLOAT, e++));
      }
      assertEquals(starts[r + 1], e);
    }
  }

  private static MemorySegment squared(MemorySegment of) {
    float[] values = floats(of);
    for (int i = 0; i < values.length; i++) values[i] *= values[i];
    return of(values);
  }

  private static MemorySegment unitRows(MemorySegment of, int rows, int width) {
    float[] values = floats(of);
    for (int r = 0; r < rows; r++) {
      double norm = 0;
      for (int c = 0; c < width; c++) norm += values[r * width + c] * values[r * width + c];
      for (int c = 0; c < width; c++) values[r * width + c] /= (float) Math.sqrt(norm);
    }
    return of(values);
  }

  /** One row, two of three features active: worked out on paper. */
  @Test
  void byHand() {
    MemorySegment weights = of(1, 0, 0.6f, 0.8f, 0, 1);
    var decoder = new SparseKernels.Affine(weights, of(1, 1), 2);
    var target = new SparseKernels.GradientTarget(of(5, 7), of(0.5f), 0.25);
    SparseRows code =
        SparseRows.uniform(1, 2, 3, ARENA.allocateFrom(ValueLayout.JAVA_INT, 0, 1), of(2, 5));
    for (SparseKernels kernels : new SparseKernels[] {PLAIN, FAST}) {
      MemorySegment gradient = ARENA.allocate(8);
      MemorySegment codeGradient = ARENA.allocate(8);
      // decoded = (1,1) + 2·(1,0) + 5·(0.6,0.8) = (6,5); error against (5,7) = (1,−2)
      double[] squares = kernels.reconstruct(code, decoder, target, gradient, codeGradient);
      assertArrayEquals(new double[] {5}, squares, 1e-6);
      MemorySegment decoded = ARENA.allocate(8);
      kernels.decode(code, decoder, decoded);
      assertArrayEquals(new float[] {6, 5}, floats(decoded), 1e-6f);
      assertArrayEquals(new float[] {0.5f, -1}, floats(gradient), 1e-6f);
      assertArrayEquals(new float[] {0.75f, 0.25f + 0.3f - 0.8f}, floats(codeGradient), 1e-6f);
      SparseRows candidates =
          SparseRows.uniform(1, 2, 3, ARENA.allocateFrom(ValueLayout.JAVA_INT, 2, 1), of(0, 0));
      kernels.rescore(of(3, 4), candidates, new SparseKernels.Affine(weights, of(0, 10, 100), 2));
      assertArrayEquals(new float[] {104, 15}, floats(candidates.values()), 1e-5f);
    }
  }

  /** Adam's first update moves every weight by the rate against its gradient's sign. */
  @Test
  void adamsFirstStep() {
    SparseRows code =
        SparseRows.uniform(2, 1, 2, ARENA.allocateFrom(ValueLayout.JAVA_INT, 1, 1), of(1, 2));
    for (SparseKernels kernels : new SparseKernels[] {PLAIN, FAST}) {
      var matrix = new SparseKernels.Moments(of(1, 1, 1, 1), of(0, 0, 0, 0), of(0, 0, 0, 0));
      var settings = new SparseKernels.Adam(0.01, 0.9, 0.999, 1e-12, 1, 1);
      var gradient =
          new SparseKernels.SparseGradient(code.byColumn(), code.values(), of(3, -1, 1, -1), 2);
      kernels.adam(gradient, matrix, settings, false);
      // Feature 1: 1·(3,−1) + 2·(1,−1) = (5,−3); feature 0 has no gradient and stays.
      assertArrayEquals(new float[] {1, 1, 0.99f, 1.01f}, floats(matrix.value()), 1e-6f);
      assertArrayEquals(new float[] {0, 0, 0.5f, -0.3f}, floats(matrix.first()), 1e-6f);
    }
  }

  @Test
  void theSameBytesWhateverTheThreads() {
    Random random = new Random(9);
    SparseRows code = code(random, 300, 200, 20);
    MemorySegment rows = random(random, 300 * 48);
    var gradient = new SparseKernels.SparseGradient(code.byColumn(), code.values(), rows, 48);
    MemorySegment start = random(random, 200 * 48);
    float[][] results = new float[4][];
    IntStream.range(0, 4)
        .parallel()
        .forEach(
            i -> {
              MemorySegment zeros = ARENA.allocate(start.byteSize());
              var matrix = new SparseKernels.Moments(copy(start), zeros, copy(zeros));
              FAST.adam(gradient, matrix, ADAM, true);
              results[i] = floats(matrix.value());
            });
    for (int i = 1; i < 4; i++) assertArrayEquals(results[0], results[i], 0);
  }

  @Test
  void codesThatCannotBeAreRefused() {
    MemorySegment indices = ARENA.allocateFrom(ValueLayout.JAVA_INT, 0, 5);
    MemorySegment values = of(1, 1);
    assertThrows(
        IllegalArgumentException.class, () -> SparseRows.uniform(1, 2, 5, indices, values));
    assertThrows(
        IllegalArgumentException.class, () -> SparseRows.uniform(2, 2, 9, indices, values));
    assertThrows(
        IllegalArgumentException.class,
        () -> new SparseRows(9, new int[] {0, 2, 1}, indices, values));
    assertEquals(2, SparseRows.uniform(1, 2, 6, indices, values).entries());
  }
}
