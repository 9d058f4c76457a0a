// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.function.IntFunction;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.GradMode;

/**
 * Two halves of a batch at once, each with half of the cores. A tower is many small operations, and
 * cores that share each of them wait for each other after each; so they share the batch instead.
 */
public final class SideBySide {
  /** How many halves there are. */
  public static final int COUNT = 2;

  /** Fewer tokens than this are done before a second thread has begun. */
  private static final int LEAST_TOKENS = 512;

  private static final Executor OTHER =
      Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().name("other-half").factory());

  /** Whether this thread computes a half: it is not halved again. */
  private static final ThreadLocal<Boolean> INSIDE = ThreadLocal.withInitial(() -> false);

  private SideBySide() {}

  /**
   * Both halves' tensors, which belong to the current scope.
   *
   * @param recording whether operations are recorded for {@link Tensor#backward}
   * @param work of half 0, on this thread, and of half 1, on another, each in a scope of its own
   * @throws RuntimeException the first half's own, else the second's, after both have ended
   */
  public static List<List<Tensor>> run(boolean recording, IntFunction<List<Tensor>> work) {
    Scope.require();
    int threads = Engine.threads();
    if (INSIDE.get() || threads == 1) {
      return adopted(List.of(half(recording, work, 0), half(recording, work, 1)));
    }
    return adopted(Engine.withoutBlasThreads(() -> both(recording, work, threads)));
  }

  private static List<List<Tensor>> both(
      boolean recording, IntFunction<List<Tensor>> work, int threads) {
    CompletableFuture<List<Tensor>> second =
        CompletableFuture.supplyAsync(() -> shared(recording, work, 1, threads), OTHER);
    List<Tensor> first;
    try {
      first = shared(recording, work, 0, threads);
    } finally {
      second.exceptionally(e -> List.of()).join();
      Engine.threads(threads);
    }
    return List.of(first, joined(second));
  }

  private static List<List<Tensor>> adopted(List<List<Tensor>> both) {
    for (List<Tensor> tensors : both) tensors.forEach(Scope::adopt);
    return both;
  }

  /**
   * The same of a batch whose rows do not see each other; a small one, one on a GPU, or one whose
   * gradients are recorded, whole.
   *
   * @param batch [b,t,…]
   * @param work gives a tensor of as many rows as it gets
   */
  public static Tensor map(Tensor batch, UnaryOperator<Tensor> work) {
    long b = batch.size(0);
    boolean large = b > 1 && b * batch.size(1) >= LEAST_TOKENS;
    boolean shared = large && batch.device() == Device.CPU && Engine.threads() > 1;
    if (!shared || INSIDE.get() || GradMode.is_enabled()) return work.apply(batch);
    long middle = (b + 1) / 2;
    List<List<Tensor>> halves =
        run(
            false,
            half ->
                List.of(
                    work.apply(
                        half == 0
                            ? batch.narrow(0, 0, middle)
                            : batch.narrow(0, middle, b - middle))));
    Tensor whole = Tensor.concat(halves.stream().map(List::getFirst).toList(), 0);
    halves.forEach(half -> half.getFirst().close());
    return whole;
  }

  private static List<Tensor> shared(
      boolean recording, IntFunction<List<Tensor>> work, int half, int threads) {
    Engine.threads(Math.max(1, threads / COUNT));
    INSIDE.set(true);
    try {
      return half(recording, work, half);
    } finally {
      INSIDE.set(false);
    }
  }

  /** Its tensors belong to nobody. */
  private static List<Tensor> half(boolean recording, IntFunction<List<Tensor>> work, int half) {
    try (Scope scope = recording ? Scope.openRecording() : Scope.open()) {
      List<Tensor> tensors = work.apply(half);
      tensors.forEach(scope::release);
      return tensors;
    }
  }

  private static List<Tensor> joined(CompletableFuture<List<Tensor>> second) {
    try {
      return second.join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof RuntimeException reason) throw reason;
      if (e.getCause() instanceof Error reason) throw reason;
      throw e;
    }
  }
}
