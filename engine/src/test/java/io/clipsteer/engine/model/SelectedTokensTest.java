// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Tokens of a residual against plain loops; hook points in the order of a pass. */
final class SelectedTokensTest {
  private static final int B = 2;
  private static final int T = 5;
  private static final int D = 3;

  private static Tensor residual() {
    float[] values = new float[B * T * D];
    for (int i = 0; i < values.length; i++) values[i] = i;
    return Tensor.of(values, B, T, D);
  }

  @Test
  void readsAndChangesTheSelectedTokensAndNoOthers() {
    for (String text : List.of("all", "cls", "patches", "0,4", "1,2,4", "4,1,2")) {
      boolean[] mask = new TokenMask(text).mask(1, T);
      try (Scope scope = Scope.open()) {
        Tensor x = residual();
        SelectedTokens selected = SelectedTokens.of(x, mask);
        float[] rows = selected.rows().toFloats();
        float[] twice = selected.plus(selected.rows()).toFloats();
        Tensor vector = Tensor.of(new float[] {-1, -2, -3}, D);
        float[] replaced = selected.replacedBy(vector).toFloats();
        int at = 0;
        for (int i = 0; i < B * T * D; i++) {
          boolean chosen = mask[i / D % T];
          if (chosen) assertEquals(i, rows[at++], text);
          assertEquals(chosen ? 2 * i : i, twice[i], text);
          assertEquals(chosen ? -1 - i % D : i, replaced[i], text);
        }
        assertEquals(rows.length, at);
        assertEquals(rows.length, B * selected.count() * D);
        assertArrayEquals(residual().toFloats(), x.toFloats(), "the residual is left alone");
      }
    }
  }

  @Test
  void aSelectionIsItsMask() {
    try (Scope scope = Scope.open()) {
      for (TokenSelection tokens : TokenSelection.values()) {
        assertEquals(tokens, TokenMask.of(tokens).selection());
        Tensor x = residual();
        assertArrayEquals(
            SelectedTokens.of(x, TokenMask.of(tokens).mask(2, T)).rows().toFloats(),
            SelectedTokens.of(x, tokens, 2).rows().toFloats());
      }
    }
  }

  @Test
  void hookPointsAreInTheOrderOfAPass() {
    List<HookPoint> sorted =
        Stream.of(
                HookPoint.residPost(7),
                HookPoint.residPost(2),
                HookPoint.mlpOut(7),
                new HookPoint(TowerKind.TEXT, 0, Site.RESID_POST),
                HookPoint.mlpOut(2))
            .sorted()
            .toList();
    assertEquals(
        List.of(
            HookPoint.mlpOut(2),
            HookPoint.residPost(2),
            HookPoint.mlpOut(7),
            HookPoint.residPost(7),
            new HookPoint(TowerKind.TEXT, 0, Site.RESID_POST)),
        sorted);
  }
}
