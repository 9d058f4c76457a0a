// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.SparseCode;
import io.clipsteer.lab.run.TokenLayout;
import io.clipsteer.lab.run.TokenStatistics;
import java.util.Arrays;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** Edges of the counts and quotients, which real SAEs seldom reach. */
final class SparsityTallyTest {
  /** One token in ten is not more than 10 %; an entry of 0 is not active. */
  @Test
  void frequenciesAtTheEdges() {
    SparsityTally tally =
        new SparsityTally(new TokenLayout(0, 5, 1, 2, 2), 5, new TokenStatistics(1));
    long[] features = new long[15];
    float[] values = new float[15];
    int[] starts = new int[11];
    int at = 0;
    for (int i = 0; i < 10; i++) {
      features[at] = 0;
      values[at++] = 1;
      if (i == 3) {
        features[at] = 1;
        values[at++] = 2;
      }
      if (i == 5 || i == 8) {
        features[at] = 2;
        values[at++] = 3;
      }
      if (i == 9) {
        features[at] = 3;
        values[at++] = 0;
      }
      starts[i + 1] = at;
    }
    float[] x = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    try (Scope scope = Scope.open()) {
      Tensor indices = Tensor.of(features, 15).narrow(0, 0, at).to(DType.I32);
      Tensor numbers = Tensor.of(values, 15).narrow(0, 0, at);
      tally.add(x, x, new SparseCode(starts, indices, numbers));
    }
    SparsityReport.Sparsity result = tally.result();
    assertEquals(0.6, result.alive(), 1e-12);
    assertEquals(0.4, result.dense(), 1e-12);
    assertEquals(1.3, result.l0(), 1e-12);
    assertEquals(1.5, Objects.requireNonNull(result.l0Cls()), 1e-12, "tokens 0 and 5");
    assertEquals(1.25, Objects.requireNonNull(result.l0Patches()), 1e-12);
    double[][] grid = result.l0Grid();
    assertNotNull(grid);
    assertArrayEquals(new double[] {1, 1}, grid[0], 1e-12);
    assertArrayEquals(new double[] {2, 1}, grid[1], 1e-12);
    long[] counts = new long[24];
    counts[23] = 1;
    counts[20] = 1;
    counts[21] = 1;
    assertArrayEquals(counts, result.histogram().counts());
    assertEquals(2, result.histogram().never());
    assertEquals(-6, result.histogram().bins()[0]);
    assertEquals(0, result.histogram().bins()[24]);
    assertEquals(25, result.histogram().bins().length);
  }

  /** Tokens far from 0 that are all the same have no variance, hence no explained variance. */
  @Test
  void tokensThatAreAllTheSameExplainNothing() {
    var layout = new TokenLayout(0, 5, 1, 2, 2);
    float[] x = new float[5];
    Arrays.fill(x, 0.1f + 1e4f);
    TokenStatistics statistics = new TokenStatistics(1);
    statistics.add(x);
    SparsityTally tally = new SparsityTally(layout, 5, statistics);
    try (Scope scope = Scope.open()) {
      Tensor none = Tensor.of(new float[1], 1).narrow(0, 0, 0);
      var code = new SparseCode(new int[6], none.to(DType.I32), none);
      for (int i = 0; i < 3; i++) tally.add(x, new float[5], code);
    }
    assertNull(tally.result().explainedVariance());
    assertNull(tally.result().variance().tokenMean());
    assertNull(tally.result().variance().ordinary());
    assertEquals(0, tally.result().l0());
  }
}
