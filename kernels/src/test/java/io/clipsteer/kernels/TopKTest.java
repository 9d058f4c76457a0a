// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Comparator;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The fast kernel is the reference, bit for bit, at awkward sizes and on awkward values. */
final class TopKTest {
  private record Result(float[] values, int[] indices) {}

  private static Result topK(float[] matrix, int rows, int columns, int k) {
    MemorySegment values = MemorySegment.ofArray(new float[rows * k]);
    MemorySegment indices = MemorySegment.ofArray(new int[rows * k]);
    RowKernels.topK(MemorySegment.ofArray(matrix), rows, columns, k, values, indices);
    return new Result(
        values.toArray(ValueLayout.JAVA_FLOAT), indices.toArray(ValueLayout.JAVA_INT));
  }

  /** The reference: of every row the k entries that come first, of equal ones the lower column. */
  private static int[] first(int rows, int columns, int k, Comparator<Integer> larger) {
    return IntStream.range(0, rows)
        .flatMap(
            row ->
                IntStream.range(row * columns, (row + 1) * columns)
                    .boxed()
                    .sorted(larger.thenComparing(Comparator.naturalOrder()))
                    .limit(k)
                    .mapToInt(i -> i % columns)
                    .sorted())
        .toArray();
  }

  @ParameterizedTest
  @CsvSource({
    "1,1,1",
    "3,7,1",
    "5,7,7",
    "4,13,5",
    "2,16,16",
    "9,17,3",
    "3,207,32",
    "7,1021,64",
    "2,4096,129",
    "40,3072,32",
    "2,4097,129",
    "20,5000,64"
  })
  void vectorEqualsScalar(int rows, int columns, int k) {
    Random random = new Random(columns * 31L + k);
    for (int kind = 0; kind < 4; kind++) {
      float[] matrix = new float[rows * columns];
      for (int i = 0; i < matrix.length; i++) {
        matrix[i] =
            switch (kind) {
              case 0 -> (float) random.nextGaussian();
              case 1 -> random.nextInt(3); // many ties
              case 2 -> i % columns; // rising: every entry beats the bar
              default -> special(random);
            };
      }
      Result actual = topK(matrix, rows, columns, k);
      int[] expected = first(rows, columns, k, (a, b) -> Float.compare(matrix[b], matrix[a]));
      assertArrayEquals(expected, actual.indices(), "kind " + kind);
      float[] values = new float[expected.length];
      for (int i = 0; i < values.length; i++) values[i] = matrix[i / k * columns + expected[i]];
      assertArrayEquals(values, actual.values(), "kind " + kind);
    }
  }

  private static float special(Random random) {
    float[] values = {
      0f, -0f, Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, Float.MIN_VALUE, -1f
    };
    return values[random.nextInt(values.length)];
  }

  private static int[] topBf16(short[] matrix, int rows, int columns, int k) {
    MemorySegment indices = MemorySegment.ofArray(new int[rows * k]);
    RowKernels.topColumnsBf16(MemorySegment.ofArray(matrix), rows, columns, k, indices);
    return indices.toArray(ValueLayout.JAVA_INT);
  }

  /** Numbers sort by their magnitude's bits; a sign turns the order round, of 0 and NaN too. */
  private static int sortable(short bits) {
    return bits < 0 ? -1 - (bits & 0x7fff) : bits;
  }

  @ParameterizedTest
  @CsvSource({
    "1,1,1",
    "3,7,7",
    "5,33,4",
    "2,64,64",
    "4,207,32",
    "3,4096,96",
    "9,1021,65",
    "6,5003,96"
  })
  void bf16VectorEqualsScalar(int rows, int columns, int k) {
    Random random = new Random(columns * 31L + k);
    for (int kind = 0; kind < 4; kind++) {
      short[] matrix = new short[rows * columns];
      for (int i = 0; i < matrix.length; i++) {
        float value =
            switch (kind) {
              case 0 -> (float) random.nextGaussian();
              case 1 -> random.nextInt(3) - 1;
              case 2 -> i % columns;
              default -> special(random);
            };
        matrix[i] = (short) (Float.floatToRawIntBits(value) >> 16);
      }
      int[] expected = first(rows, columns, k, Comparator.comparingInt(i -> -sortable(matrix[i])));
      assertArrayEquals(expected, topBf16(matrix, rows, columns, k), "kind " + kind);
    }
  }

  @Test
  void handMadeBf16Row() {
    float[] row = {-1, 2, -0f, 2, 0.5f, 0};
    short[] bits = new short[6];
    for (int i = 0; i < 6; i++) bits[i] = (short) (Float.floatToRawIntBits(row[i]) >> 16);
    assertArrayEquals(new int[] {1}, topBf16(bits, 1, 6, 1));
    assertArrayEquals(new int[] {1, 3, 4, 5}, topBf16(bits, 1, 6, 4));
    assertThrows(IllegalArgumentException.class, () -> topBf16(bits, 2, 6, 1));
  }

  @Test
  void handMadeRow() {
    float[] row = {0.5f, 3, -2, 3, 1};
    Result best = topK(row, 1, 5, 3);
    assertArrayEquals(new int[] {1, 3, 4}, best.indices());
    assertArrayEquals(new float[] {3, 3, 1}, best.values());
  }

  @Test
  void refusesSizesThatDoNotFit() {
    float[] row = {1, 2};
    assertThrows(IllegalArgumentException.class, () -> topK(row, 1, 2, 3));
    assertThrows(IllegalArgumentException.class, () -> topK(row, 2, 2, 1));
  }
}
