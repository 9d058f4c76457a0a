// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Samples by hand, tails against published ones. */
final class BootstrapTest {
  @Test
  void groupsAreSampledOnTheirOwn() {
    Bootstrap.of(
        new int[] {3, 5},
        50,
        1,
        Bootstrap.TAIL,
        times -> {
          assertEquals(3, times[0] + times[1] + times[2]);
          assertEquals(8, Arrays.stream(times).sum());
          return 0;
        });
  }

  @Test
  void percentilesOfTheDefinedSamples() {
    int[] calls = {0};
    // Figures 200 to 1 and as many that are not defined: 5 of 200 are beyond each end.
    Bootstrap interval =
        Bootstrap.of(
            new int[] {2},
            400,
            1,
            Bootstrap.TAIL,
            times -> calls[0]++ % 2 == 0 ? Double.NaN : 200 - calls[0] / 2 + 1);
    assertEquals(new Bootstrap(6, 195, 200, 200), interval);
    assertNull(Bootstrap.of(new int[] {2}, 10, 1, Bootstrap.TAIL, times -> Double.NaN));
  }

  @Test
  void tails() {
    // Φ(−√(n/(n−1))·t), to the 0.1 % of Student's t.
    assertEquals(0.000954, Bootstrap.tail(5), 2e-5);
    assertEquals(0.013856, Bootstrap.tail(16), 1e-4);
    double[] sixteen = new double[16];
    Arrays.setAll(sixteen, i -> i * i);
    // Welch's degrees of two groups alike are 30.
    assertEquals(
        MeanDifference.twoSided(Math.sqrt(16.0 / 15) * 2.042272456) / 2,
        Bootstrap.tail(sixteen, sixteen),
        1e-4);
    // A group without variance adds none.
    assertEquals(Bootstrap.tail(16), Bootstrap.tail(sixteen, new double[] {5, 5}), 1e-12);
    assertEquals(Bootstrap.TAIL, Bootstrap.tail(new double[] {5, 5}, new double[] {5, 5}));
    assertThrows(IllegalArgumentException.class, () -> Bootstrap.tail(1));
    assertThrows(IllegalArgumentException.class, () -> Bootstrap.tail(sixteen, new double[1]));
  }
}
