// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.InputNormalisation;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** The weights of tokens in a loss, against plain loops, with one massive token. */
final class StepInputTest {
  private static final int TOKENS = 41;
  private static final int WIDTH = 9;
  private static final int MASSIVE = 5;

  private final float[] x = new float[TOKENS * WIDTH];
  private final double[] squares = new double[TOKENS];

  StepInputTest() {
    SplittableRandom random = new SplittableRandom(2);
    for (int i = 0; i < x.length; i++) x[i] = (float) random.nextGaussian();
    x[MASSIVE * WIDTH] = 400;
    for (int j = 0; j < WIDTH; j++) {
      double mean = 0;
      for (int t = 0; t < TOKENS; t++) mean += x[t * WIDTH + j] / (double) TOKENS;
      for (int t = 0; t < TOKENS; t++) squares[t] += Math.pow(x[t * WIDTH + j] - mean, 2);
    }
  }

  private float[] scales(SaeVariant.Loss loss) {
    try (Scope scope = Scope.open()) {
      Tensor rows = Tensor.of(x, TOKENS, WIDTH);
      Tensor bias = Tensor.zeros(DType.F32, WIDTH);
      return StepInput.of(rows, new InputNormalisation.None(), bias, loss).scales().toFloats();
    }
  }

  /** The massive token raises the mean, whose thousandth bounds no weight here. */
  @Test
  void tokenFvuDividesByEachTokensOwnVariance() {
    float[] scales = scales(SaeVariant.Loss.TOKEN_FVU);
    double least = 1e-3 * Arrays.stream(squares).average().orElseThrow();
    for (int t = 0; t < TOKENS; t++) {
      double expected = 2 / (TOKENS * Math.max(least, squares[t]));
      assertEquals(expected, scales[t], 1e-4 * expected, "token " + t);
    }
    assertTrue(scales[MASSIVE] < scales[0] / 100, "no massive token");
  }

  @Test
  void clippedLowersTheMassiveTokenAlone() {
    float[] scales = scales(SaeVariant.Loss.CLIPPED);
    double[] sorted = squares.clone();
    Arrays.sort(sorted);
    double each = 2.0 / (TOKENS * WIDTH);
    for (int t = 0; t < TOKENS; t++) {
      double share = Math.min(1, 4 * sorted[TOKENS / 2] / squares[t]);
      assertEquals(each * share, scales[t], 1e-4 * each * share, "token " + t);
      assertEquals(t == MASSIVE, share < 0.5, "token " + t);
    }
  }
}
