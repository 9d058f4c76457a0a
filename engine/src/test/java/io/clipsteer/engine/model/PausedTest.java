// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** From one pause to the next, and what is spliced in there. */
final class PausedTest {
  private static final Path MODEL = Path.of("src/test/resources/models/hf-clip-quickgelu");

  private static Tensor pixels(int side) {
    float[] values = new float[2 * 3 * side * side];
    Random random = new Random(1);
    for (int i = 0; i < values.length; i++) values[i] = (float) random.nextGaussian();
    return Tensor.of(values, 2, 3, side, side);
  }

  /** From pause to pause through every pair of hook points, as one pass. */
  @Test
  void pausesFollowOneAnother() {
    try (ClipModel model = ClipModel.load(MODEL);
        Scope scope = Scope.open()) {
      VisionTower tower = model.vision();
      Tensor pixels = pixels(tower.config().imageSize());
      List<HookPoint> points = new ArrayList<>();
      for (int layer = 0; layer < tower.config().layers(); layer++) {
        points.add(HookPoint.mlpOut(layer));
        points.add(HookPoint.residPost(layer));
      }
      for (int a = 0; a < points.size(); a++) {
        Paused from = tower.runUntil(pixels, points.get(a), Hooks.NONE);
        for (int b = 0; b < points.size(); b++) {
          HookPoint stop = points.get(b);
          if (b <= a) {
            assertThrows(
                IllegalArgumentException.class, () -> tower.continueUntil(from, stop, Hooks.NONE));
            continue;
          }
          Paused direct = tower.runUntil(pixels, stop, Hooks.NONE);
          Paused onwards = tower.continueUntil(from, stop, Hooks.NONE);
          assertEquals(stop, onwards.at());
          assertArrayEquals(direct.value().toFloats(), onwards.value().toFloats(), 1e-6f);
          assertEquals(direct.middle() == null, onwards.middle() == null);
          ResidualEdit half = (where, value) -> value.mul(0.5);
          Paused edited = tower.continueUntil(from, stop, Hooks.NONE.edit(stop, half));
          assertArrayEquals(onwards.value().mul(0.5).toFloats(), edited.value().toFloats(), 1e-6f);
        }
      }
    }
  }

  /** By hand: 17 tokens of width 24, MLPs of 48; of the last block the class token alone. */
  @Test
  void countsTheOperationsThatAreLeft() {
    try (ClipModel model = ClipModel.load(MODEL)) {
      VisionTower tower = model.vision();
      double whole = 2 * 17 * (4 * 24 * 24 + 2 * 24 * 48) + 4 * 17 * 17 * 24;
      double last = 2 * 17 * 2 * 24 * 24 + 2 * (2 * 24 * 24 + 2 * 24 * 48) + 4 * 17 * 24;
      assertEquals(0, tower.flopsAfter(2));
      assertEquals(last, tower.flopsAfter(1));
      assertEquals(whole + last, tower.flopsAfter(0));
      double patches = 2 * 17 * (3 * 8 * 8) * 24;
      assertEquals(patches + 2 * whole + last, tower.flopsPerImage());
    }
  }
}
