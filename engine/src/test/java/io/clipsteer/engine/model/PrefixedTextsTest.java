// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import java.nio.file.Path;
import java.util.Objects;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A vector among the tokens: the tower's own token gives the tower's own embedding. */
class PrefixedTextsTest {
  private static final Path MODELS = Path.of("src/test/resources/models");

  private static ClipModel load(String name) {
    return ClipModel.load(MODELS.resolve(name));
  }

  private static float[] token(TextTower tower, long id) {
    return tower.weights().tokens().rows(new long[] {id}).toFloats();
  }

  private static long end(TextTower tower) {
    var config = tower.config();
    boolean named = config.end().rule() == TextConfig.EndRule.FIRST_END;
    return named ? config.end().id() : config.vocabulary() - 1L;
  }

  private static void with(String name, Consumer<TextTower> check) {
    try (ClipModel model = load(name);
        Scope scope = Scope.open()) {
      check.accept(Objects.requireNonNull(model.text()));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"hf-clip-quickgelu", "hf-clip-gelu-sharded"})
  void aTokensOwnVectorIsThatToken(String name) {
    with(
        name,
        tower -> {
          long end = end(tower);
          long[][] ids = {{1, 5, 9, end, 0}, {1, 7, end, 0, 0}};
          long[][] longer = {{1, 5, 3, 9, end, 0}, {1, 3, 7, end, 0, 0}};
          float[] wanted = tower.run(longer, Hooks.NONE).embedding().toFloats();
          Tensor vector = Tensor.of(token(tower, 3), 1, tower.config().width());
          float[] got = new PrefixedTexts(tower).embed(ids, new int[] {2, 1}, vector).toFloats();
          assertArrayEquals(wanted, got, 2e-6f);
        });
  }

  /** Against differences of the value. */
  @ParameterizedTest
  @ValueSource(strings = {"hf-clip-quickgelu", "hf-clip-gelu-sharded"})
  void theGradientIsTheSlope(String name) {
    with(
        name,
        tower -> {
          PrefixedTexts texts = new PrefixedTexts(tower);
          int d = texts.width();
          long end = end(tower);
          long[][] ids = {{1, 5, 9, end}, {1, 7, 2, end}};
          int[] places = {2, 1};
          float[] start = token(tower, 4);
          float[] weights = new float[2 * tower.config().embedDim()];
          for (int i = 0; i < weights.length; i++) weights[i] = (float) Math.sin(1 + 3 * i);
          Tensor gradient = Tensor.of(new float[d], 1, d);
          try (Scope scope = Scope.openRecording()) {
            value(texts, ids, places, Tensor.of(start, 1, d).trainable(gradient), weights)
                .backward();
          }
          float[] slope = gradient.toFloats();
          double largest = 0;
          for (float s : slope) largest = Math.max(largest, Math.abs(s));
          for (int j : new int[] {0, 1, d / 2, d - 1}) {
            double step = 1e-2;
            float[] up = start.clone();
            float[] down = start.clone();
            up[j] += (float) step;
            down[j] -= (float) step;
            double rise =
                value(texts, ids, places, Tensor.of(up, 1, d), weights).item()
                    - value(texts, ids, places, Tensor.of(down, 1, d), weights).item();
            assertEquals(rise / (2 * step), slope[j], 0.02 * largest + 1e-4, "coordinate " + j);
          }
        });
  }

  private static Tensor value(
      PrefixedTexts texts, long[][] ids, int[] places, Tensor vector, float[] weights) {
    Tensor out = texts.embed(ids, places, vector);
    return out.mul(Tensor.of(weights, out.size(0), out.size(1)))
        .reshape(weights.length)
        .mean(0, false)
        .mul(weights.length);
  }

  @Test
  void noRoomIsRefused() {
    with(
        "hf-clip-quickgelu",
        tower -> {
          long[] full = new long[tower.config().context()];
          full[full.length - 1] = end(tower);
          Tensor vector = Tensor.of(new float[tower.config().width()], 1, tower.config().width());
          long[][] ids = {full};
          InputException e =
              assertThrows(
                  InputException.class,
                  () -> new PrefixedTexts(tower).embed(ids, new int[] {1}, vector));
          assertTrue(
              String.valueOf(e.getMessage()).contains("no room for one more"), e.getMessage());
        });
  }
}
