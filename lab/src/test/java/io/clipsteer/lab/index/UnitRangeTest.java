// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Percentiles from half octaves against those of the sorted activations. */
final class UnitRangeTest {
  private static final int BINS = 40;

  private static UnitRange range(float[] values) {
    int[] bins = new int[BINS];
    float max = 0;
    for (float value : values) {
      bins[HalfOctaves.of(value)]++;
      max = Math.max(max, value);
    }
    return new UnitRange(max, Arrays.stream(bins).boxed().toList());
  }

  @Test
  void percentilesAreThoseOfTheActivationsWithinAFewPercent() {
    Random random = new Random(3);
    float[] values = new float[20_000];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) Math.exp(0.7 + 0.8 * random.nextGaussian());
    }
    UnitRange range = range(values);
    Arrays.sort(values);
    for (double share : new double[] {0.01, 0.1, 0.5, 0.9, 0.99}) {
      double exact = values[(int) (share * values.length)];
      assertEquals(1, range.quantile(share) / exact, 0.06, "share " + share);
    }
    assertEquals(values[values.length - 1], range.quantile(1), 1e-6);
    double before = 0;
    for (int k = 0; k <= 100; k++) {
      double next = range.quantile(k / 100.0);
      assertTrue(next >= before, "percentiles rise");
      before = next;
    }
  }

  /** Four activations of 2 to 2.5: linear in the logarithm from the edge to the maximum. */
  @Test
  void aSingleHalfOctaveByHand() {
    UnitRange range = range(new float[] {2, 2.1f, 2.2f, 2.5f});
    assertEquals(2, range.quantile(0), 1e-6);
    assertEquals(2 * Math.sqrt(1.25), range.quantile(0.5), 1e-6);
    assertEquals(2.5, range.quantile(1), 1e-6);
  }

  @Test
  void endsAndUnitsThatAreNeverActive() {
    assertEquals(0, new UnitRange(0, List.of()).quantile(0.5));
    UnitRange tiny = range(new float[] {1e-9f, 1e-8f});
    assertEquals(1e-8, tiny.quantile(0.9), 1e-12);
    UnitRange huge = range(new float[] {1, 5000});
    assertEquals(5000, huge.quantile(1), 1e-3);
    assertTrue(
        IntStream.range(0, BINS - 1)
            .allMatch(b -> HalfOctaves.of((float) HalfOctaves.lowerEdge(b) * 1.0001f) == b));
  }
}
