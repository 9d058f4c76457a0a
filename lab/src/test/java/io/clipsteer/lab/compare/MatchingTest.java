// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.compare;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Two sets of rows: permutations with noise, parts, and the plain loops. */
final class MatchingTest {
  private static final int D = 24;

  private static float[] gaussian(Random random, int rows) {
    float[] values = new float[rows * D];
    for (int k = 0; k < values.length; k++) values[k] = (float) random.nextGaussian();
    return values;
  }

  private static Tensor unit(float[] rows) {
    return Tensor.of(rows, rows.length / D, D).unit();
  }

  @Test
  void permutationsWithNoiseMatchWhole() {
    Random random = new Random(1);
    int n = 700;
    float[] a = gaussian(random, n);
    int[] to = random.ints(0, n).distinct().limit(n).toArray();
    float[] b = new float[a.length];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < D; j++) {
        b[to[i] * D + j] = a[i * D + j] * (float) (1 + 0.01 * random.nextGaussian());
      }
    }
    try (Scope scope = Scope.open()) {
      for (int most : new int[] {n, 0}) {
        Matching matching = Matching.of(unit(a), unit(b), most);
        assertEquals(most == n, matching.optimal());
        assertEquals(n, matching.pairs(0.99), "all pairs");
        for (int i = 0; i < n; i++) assertEquals(to[i], matching.partner()[i]);
        for (int i = 0; i < n; i++) assertEquals(i, matching.partnersOfB()[to[i]]);
      }
      Matching.Nearest chance = Matching.chance(unit(a), unit(b), 1);
      assertTrue(chance.mean() < 0.8 && chance.mean() > 0.3, "by chance " + chance.mean());
    }
  }

  @Test
  void oneSideMayBeLarger() {
    Random random = new Random(2);
    float[] small = gaussian(random, 40);
    float[] more = gaussian(random, 90);
    System.arraycopy(small, 0, more, 30 * D, small.length);
    try (Scope scope = Scope.open()) {
      Matching wide = Matching.of(unit(small), unit(more), 100);
      Matching tall = Matching.of(unit(more), unit(small), 100);
      for (int i = 0; i < 40; i++) {
        assertEquals(30 + i, wide.partner()[i]);
        assertEquals(i, tall.partner()[30 + i]);
      }
      assertEquals(40, tall.pairs(0.999));
      assertEquals(-1, tall.partner()[0]);
    }
  }

  @Test
  void nearestIsWhatLoopsFind() {
    Random random = new Random(3);
    float[] a = gaussian(random, 530);
    float[] b = gaussian(random, 61);
    try (Scope scope = Scope.open()) {
      float[] ua = unit(a).toFloats();
      float[] ub = unit(b).toFloats();
      Matching matching = Matching.of(unit(a), unit(b), 0);
      assertFalse(matching.optimal());
      for (int i = 0; i < 530; i++) {
        double best = -2;
        for (int j = 0; j < 61; j++) {
          double dot = 0;
          for (int k = 0; k < D; k++) dot += ua[i * D + k] * ub[j * D + k];
          best = Math.max(best, dot);
        }
        assertEquals(best, matching.a().value()[i], 1e-5);
        int partner = matching.partner()[i];
        if (partner >= 0) assertEquals(i, matching.b().row()[partner], "mutual");
      }
    }
  }
}
