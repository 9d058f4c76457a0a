// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.pretrain;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import java.util.function.IntFunction;

/**
 * Computes both halves of a batch at once, each on a thread of its own with half of the cores: an
 * update is thousands of small operations, and cores that share each of them wait for each other
 * most of the time.
 *
 * <p>A weight's gradient is 0 + a + b or 0 + b + a, which are the same number: who comes first
 * changes nothing. With more than two parts it would.
 */
final class Halves implements AutoCloseable {
  static final int COUNT = 2;

  private final ExecutorService workers =
      Executors.newFixedThreadPool(COUNT, Thread.ofPlatform().daemon().name("half-", 0).factory());

  /** What a half gives, and the gradients that it waits for. */
  private record Half(
      CompletableFuture<List<Tensor>> outputs, CompletableFuture<List<Tensor>> gradients) {}

  /**
   * Runs each half forward, then {@code meet} on what they gave, then each half backward.
   *
   * @param forward of half 0 or 1; runs on the half's thread, with gradients recorded
   * @param meet gets the halves' outputs as leaves, and leaves their gradients in them; runs on
   *     this thread, in whose scope the leaves are
   */
  void run(IntFunction<List<Tensor>> forward, Consumer<List<List<Tensor>>> meet) {
    int threads = Engine.threads();
    int blasThreads = Engine.blasThreads();
    Engine.blasThreads(Math.max(1, blasThreads / COUNT));
    List<Half> halves = new ArrayList<>();
    List<CompletableFuture<Void>> ends = new ArrayList<>();
    try {
      for (int i = 0; i < COUNT; i++) {
        int number = i;
        Half half = new Half(new CompletableFuture<>(), new CompletableFuture<>());
        halves.add(half);
        ends.add(
            CompletableFuture.runAsync(
                () -> {
                  Engine.threads(Math.max(1, threads / COUNT));
                  there(half, forward, number);
                },
                workers));
      }
      List<List<Tensor>> leaves = new ArrayList<>();
      List<List<Tensor>> gradients = new ArrayList<>();
      for (Half half : halves) {
        List<Tensor> outputs = half.outputs().join();
        List<Tensor> zeros = outputs.stream().map(o -> Tensor.zeros(DType.F32, o.shape())).toList();
        gradients.add(zeros);
        List<Tensor> own = new ArrayList<>();
        for (int i = 0; i < zeros.size(); i++) own.add(outputs.get(i).trainable(zeros.get(i)));
        leaves.add(own);
      }
      meet.accept(leaves);
      for (int i = 0; i < COUNT; i++) halves.get(i).gradients().complete(gradients.get(i));
      for (CompletableFuture<Void> end : ends) end.join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof RuntimeException reason) throw reason;
      if (e.getCause() instanceof Error reason) throw reason;
      throw e;
    } finally {
      // Where something failed, nobody is left waiting.
      for (Half half : halves) half.gradients().cancel(false);
      CompletableFuture.allOf(ends.toArray(CompletableFuture[]::new))
          .exceptionally(e -> null)
          .join();
      Engine.blasThreads(blasThreads);
      Engine.threads(threads);
    }
  }

  /** There and back. */
  private static void there(Half half, IntFunction<List<Tensor>> forward, int number) {
    try (Scope scope = Scope.openRecording()) {
      List<Tensor> outputs = forward.apply(number);
      half.outputs().complete(outputs);
      List<Tensor> gradients = half.gradients().join();
      Tensor along = outputs.getFirst().mul(gradients.getFirst()).sum(DType.F32);
      for (int i = 1; i < outputs.size(); i++) {
        along = along.add(outputs.get(i).mul(gradients.get(i)).sum(DType.F32));
      }
      along.backward();
    } catch (Throwable e) {
      half.outputs().completeExceptionally(e);
      throw e;
    }
  }

  @Override
  public void close() {
    workers.shutdown();
  }
}
