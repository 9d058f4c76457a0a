// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.pretrain;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;

/** Gradients through two threads against a hand-computed case, and what happens when one fails. */
final class HalvesTest {
  @Test
  void gradientsOfBothHalvesAreAdded() {
    try (Halves halves = new Halves();
        Scope scope = Scope.open()) {
      Tensor gradient = Tensor.zeros(DType.F32, 2);
      Tensor weight = Tensor.of(new float[] {3, 5}, 2).trainable(gradient);
      int threads = Engine.threads();
      int blasThreads = Engine.blasThreads();
      try (Scope recording = Scope.openRecording()) {
        // Half h gives (h + 1)·w and w²; the loss is the product of their first outputs' elements'
        // sums, plus the sum of half 1's squares.
        halves.run(
            half -> List.of(weight.mul(half + 1), weight.mul(weight)),
            outputs ->
                outputs
                    .getFirst()
                    .getFirst()
                    .sum(DType.F32)
                    .mul(outputs.get(1).getFirst().sum(DType.F32))
                    .add(outputs.get(1).getLast().sum(DType.F32))
                    .backward());
      }
      // s·2s + Σw², s = Σw = 8: 4s + 2w.
      assertArrayEquals(new float[] {38, 42}, gradient.toFloats());
      assertEquals(threads, Engine.threads());
      assertEquals(blasThreads, Engine.blasThreads());
    }
  }

  @Test
  void whatFailsIsToldAndNobodyWaits() {
    Assertions.assertTimeoutPreemptively(
        Duration.ofSeconds(30),
        () -> {
          try (Halves halves = new Halves();
              Scope scope = Scope.open()) {
            fails(halves, 0);
            fails(halves, 1);
            var e =
                assertThrows(
                    IllegalStateException.class,
                    () ->
                        halves.run(
                            half -> List.of(Tensor.zeros(DType.F32, 1)),
                            outputs -> {
                              throw new IllegalStateException("no loss");
                            }));
            assertEquals("no loss", e.getMessage());
            gradientsOfBothHalvesAreAdded();
          }
        });
  }

  private static void fails(Halves halves, int bad) {
    var e =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                halves.run(
                    half -> {
                      if (half == bad) throw new IllegalArgumentException("half " + bad);
                      return List.of(Tensor.zeros(DType.F32, 1));
                    },
                    outputs -> Assertions.fail("there is nothing to meet")));
    assertEquals("half " + bad, e.getMessage());
  }
}
