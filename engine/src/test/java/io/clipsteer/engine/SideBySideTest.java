// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.tensor.DType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Two halves give what the whole gives; what fails in one is told, and nothing stays behind. */
final class SideBySideTest {
  private final int threads = Engine.threads();

  @BeforeEach
  void twoThreads() {
    Engine.threads(2);
  }

  @AfterEach
  void asBefore() {
    int left = Engine.threads();
    Engine.threads(threads);
    assertEquals(2, left);
  }

  private static Tensor numbers(int rows, int columns) {
    float[] values = new float[rows * columns];
    for (int i = 0; i < values.length; i++) values[i] = i % 1009 - 500;
    return Tensor.of(values, rows, columns);
  }

  @Test
  void aBatchIsSharedAndPutTogetherAgain() {
    try (Scope scope = Scope.open()) {
      Tensor odd = numbers(7, 300);
      Thread[] seen = new Thread[2];
      CountDownLatch both = new CountDownLatch(2);
      Tensor whole =
          SideBySide.map(
              odd,
              half -> {
                seen[half.size(0) == 4 ? 0 : 1] = Thread.currentThread();
                assertTrue(meets(both), "both at once");
                assertEquals(1, Engine.threads());
                // What is halved already stays in one piece.
                assertSame(half, SideBySide.map(half, again -> again));
                return half.mul(3);
              });
      assertArrayEquals(odd.mul(3).toFloats(), whole.toFloats());
      assertNotSame(Thread.currentThread(), seen[0]);
      assertNotSame(Thread.currentThread(), seen[1]);
      assertNotSame(seen[0], seen[1]);
    }
  }

  @Test
  void aLargeBatchGoesInPieces() {
    try (Scope scope = Scope.open()) {
      Tensor many = numbers(64 * 2048, 8).reshape(64, 2048, 8);
      List<Long> sizes = Collections.synchronizedList(new ArrayList<>());
      Tensor whole =
          SideBySide.map(
              many,
              piece -> {
                sizes.add(piece.size(0));
                return piece.mul(3);
              });
      assertArrayEquals(many.mul(3).toFloats(), whole.toFloats());
      assertEquals(4, sizes.size(), "two pieces of each half: " + sizes);
    }
  }

  @Test
  void itemsAreTakenTwoAtATime() {
    Thread here = Thread.currentThread();
    Thread[] seen = new Thread[5];
    CountDownLatch both = new CountDownLatch(2);
    SideBySide.each(
        Device.CPU,
        seen.length,
        item -> {
          seen[item] = Thread.currentThread();
          if (item == 4) {
            assertEquals(2, Engine.threads(), "the last of an odd number has all cores");
            return;
          }
          assertTrue(meets(both), "both at once");
          assertEquals(1, Engine.threads());
        });
    assertSame(here, seen[4]);
    for (int item = 0; item < 4; item++) assertNotSame(here, seen[item]);
  }

  @Test
  void anItemsFailureIsTheCallers() {
    AtomicInteger running = new AtomicInteger();
    var failure =
        assertThrows(
            IllegalStateException.class,
            () ->
                SideBySide.each(
                    Device.CPU,
                    100,
                    item -> {
                      running.incrementAndGet();
                      try {
                        if (item == 3) throw new IllegalStateException("item 3");
                      } finally {
                        running.decrementAndGet();
                      }
                    }));
    assertEquals("item 3", failure.getMessage());
    assertEquals(0, running.get(), "none runs on");
  }

  private static boolean meets(CountDownLatch both) {
    both.countDown();
    try {
      return both.await(10, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      return false;
    }
  }

  @Test
  void oneThreadDoesBoth() {
    Engine.threads(1);
    try (Scope scope = Scope.open()) {
      Thread here = Thread.currentThread();
      var both = SideBySide.run(false, half -> List.of(on(here)));
      assertEquals(2, both.size());
      Tensor many = numbers(7, 300);
      assertSame(many, SideBySide.map(many, batch -> batch));
    } finally {
      Engine.threads(2);
    }
  }

  private static Tensor on(Thread thread) {
    assertSame(thread, Thread.currentThread());
    return Tensor.zeros(DType.F32, 1);
  }

  @Test
  void smallBatchesStayWhole() {
    try (Scope scope = Scope.open()) {
      Tensor few = numbers(4, 8);
      assertSame(few, SideBySide.map(few, batch -> batch));
      Tensor one = numbers(1, 4096);
      assertSame(one, SideBySide.map(one, batch -> batch));
    }
  }

  @Test
  void gradientsOfBothHalvesAreAdded() {
    try (Scope scope = Scope.open()) {
      Tensor gradient = Tensor.zeros(DType.F32, 2);
      Tensor weight = Tensor.of(new float[] {3, 5}, 2).trainable(gradient);
      IntFunction<List<Tensor>> squares = half -> List.of(weight.mul(weight).mul(half + 1));
      var outputs = SideBySide.run(true, squares);
      assertArrayEquals(new float[] {18, 50}, outputs.get(1).getFirst().toFloats());
      SideBySide.run(
          true,
          half -> {
            outputs.get(half).getFirst().sum(DType.F32).backward();
            return List.of();
          });
      // The derivative of w² + 2w².
      assertArrayEquals(new float[] {18, 30}, gradient.toFloats());
    }
  }

  @Test
  void whatFailsIsTold() {
    try (Scope scope = Scope.open()) {
      for (int bad : new int[] {0, 1}) {
        var e =
            assertThrows(IllegalArgumentException.class, () -> SideBySide.run(false, fails(bad)));
        assertEquals("half " + bad, e.getMessage());
      }
      var e =
          assertThrows(EngineException.class, () -> SideBySide.run(false, half -> mismatched()));
      assertTrue(String.valueOf(e.getMessage()).contains("matmul"), e.getMessage());
    }
  }

  private static IntFunction<List<Tensor>> fails(int bad) {
    return half -> {
      if (half == bad) throw new IllegalArgumentException("half " + bad);
      return List.of(Tensor.zeros(DType.F32, 1));
    };
  }

  private static List<Tensor> mismatched() {
    return List.of(numbers(2, 3).matmul(numbers(2, 3)));
  }

  @Test
  void memoryStaysFlat() {
    long before = 0;
    for (int i = 0; i < 600; i++) {
      try (Scope scope = Scope.open()) {
        SideBySide.map(Tensor.zeros(DType.F32, 64, 4096), half -> half.add(half).mul(2));
      }
      if (i == 200) before = Engine.residentBytes();
    }
    // A megabyte and more a round, where something stays.
    long grown = Engine.residentBytes() - before;
    assertTrue(grown < 100L << 20, "grew by " + grown);
  }

  @Test
  void aScopeOwnsWhatComesOut() {
    assertThrows(IllegalStateException.class, () -> SideBySide.run(false, half -> List.of()));
    Tensor kept;
    try (Scope scope = Scope.open()) {
      kept = SideBySide.run(false, half -> List.of(numbers(2, 2))).get(1).getFirst();
      assertEquals(4, kept.elements());
    }
    assertTrue(kept.raw().isNull(), "closed with its scope");
  }
}
