// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine;

import io.clipsteer.data.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BinaryOperator;
import java.util.function.Function;
import java.util.function.IntConsumer;
import java.util.function.IntFunction;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.GradMode;

/**
 * Two halves of a batch at once, each with half of the cores. A tower is many small operations, and
 * cores that share each of them wait for each other after each; so they share the batch instead.
 */
public final class SideBySide {
  /** How many halves there are. */
  public static final int COUNT = 2;

  /** Fewer tokens than this are done before another thread has started. */
  private static final int LEAST_TOKENS = 512;

  /** Numbers of a piece of a batch: with more, what a block makes of them leaves the caches. */
  private static final long PIECE = 1L << 18;

  /** Tokens of a piece: with fewer, products read their weights too often. */
  private static final long PIECE_TOKENS = 1024;

  /** With an odd number of cores one stays idle. */
  private static final int MANY_THREADS = 6;

  /** These threads keep their share of the cores: to change it costs a new set of threads. */
  private static final Executor HALVES =
      Executors.newFixedThreadPool(COUNT, Thread.ofPlatform().daemon().name("half-", 0).factory());

  /** Whether this thread computes a half: it is not halved again. */
  private static final ThreadLocal<Boolean> INSIDE = ThreadLocal.withInitial(() -> false);

  private SideBySide() {}

  /**
   * Both halves' tensors, which belong to the current scope.
   *
   * @param recording whether operations are recorded for {@link Tensor#backward}
   * @param work of halves 0 and 1, each in a scope of its own; on other threads, or, where there is
   *     one core, on this
   * @throws RuntimeException the first half's own, else the second's, after both have ended
   */
  public static List<List<Tensor>> run(boolean recording, IntFunction<List<Tensor>> work) {
    Scope.require();
    int threads = Engine.threads();
    if (INSIDE.get() || threads == 1) {
      List<Tensor> first = half(recording, work, 0);
      first.forEach(Scope::adopt);
      List<Tensor> second = half(recording, work, 1);
      second.forEach(Scope::adopt);
      return List.of(first, second);
    }
    return Engine.withoutBlasThreads(() -> both(recording, work, threads));
  }

  private static List<List<Tensor>> both(
      boolean recording, IntFunction<List<Tensor>> work, int threads) {
    var halves = started(threads, number -> half(recording, work, number));
    for (var half : halves) half.exceptionally(e -> List.of()).join().forEach(Scope::adopt);
    return halves.stream().map(SideBySide::joined).toList();
  }

  /** Both halves of some work, each with its share of the threads. */
  private static <T> List<CompletableFuture<T>> started(int threads, IntFunction<T> work) {
    AtomicBoolean set = new AtomicBoolean();
    List<CompletableFuture<T>> halves = new ArrayList<>();
    for (int half = 0; half < COUNT; half++) {
      int number = half;
      halves.add(
          CompletableFuture.supplyAsync(
              () -> {
                INSIDE.set(true);
                if (Engine.threads() != threads / COUNT) {
                  Engine.threads(threads / COUNT);
                  set.set(true);
                }
                return work.apply(number);
              },
              HALVES));
    }
    CompletableFuture.allOf(halves.toArray(CompletableFuture[]::new))
        .exceptionally(e -> null)
        .join();
    // What was set last is the share of threads that come later.
    if (set.get()) Engine.threads(threads);
    return halves;
  }

  /**
   * Items of work that do not see each other, two at a time, each with half of the cores; the last
   * of an odd number has all of them. One after the other where that is no gain: in a half, with
   * one core or three, or on a GPU.
   *
   * @param device where the work computes
   * @param work of an item, in scopes of its own and on any thread; what it gives, it leaves where
   *     no other item does
   * @throws RuntimeException an item's own, after those that run have ended
   */
  public static void each(Device device, int count, IntConsumer work) {
    int threads = Engine.threads();
    boolean shared = !INSIDE.get() && isShared(threads) && device == Device.CPU;
    int together = shared ? count / COUNT * COUNT : 0;
    if (together > 0) {
      AtomicInteger next = new AtomicInteger();
      IntFunction<Boolean> worker =
          half -> {
            for (int item = next.getAndIncrement();
                item < together;
                item = next.getAndIncrement()) {
              try {
                work.accept(item);
              } catch (Throwable e) {
                next.set(together);
                throw e;
              }
            }
            return true;
          };
      Engine.withoutBlasThreads(() -> started(threads, worker)).forEach(SideBySide::joined);
    }
    for (int item = together; item < count; item++) work.accept(item);
  }

  private static boolean isShared(int threads) {
    return threads > 1 && (threads % COUNT == 0 || threads > MANY_THREADS);
  }

  /**
   * A batch whose rows do not see each other, half on each side, and in pieces that fit a core's
   * cache. It stays whole where that is no gain: a small one, one on a GPU, one whose gradients are
   * recorded.
   *
   * @param batch [b,t,…]
   * @param work gives a tensor of as many rows as it gets
   */
  public static Tensor map(Tensor batch, UnaryOperator<Tensor> work) {
    long b = batch.size(0);
    boolean large = b > 1 && b * batch.size(1) >= LEAST_TOKENS;
    if (!large || batch.device() != Device.CPU || GradMode.is_enabled()) return work.apply(batch);
    if (INSIDE.get() || !isShared(Engine.threads())) return inPieces(batch, work);
    long middle = (b + 1) / 2;
    List<List<Tensor>> halves =
        run(
            false,
            half -> {
              long from = half == 0 ? 0 : middle;
              Tensor own = batch.narrow(0, from, half == 0 ? middle : b - middle);
              return List.of(inPieces(own, work));
            });
    return joined(halves.stream().map(List::getFirst).toList());
  }

  private static Tensor inPieces(Tensor batch, UnaryOperator<Tensor> work) {
    long b = batch.size(0);
    long fit = Math.min(batch.elements() / PIECE, b * batch.size(1) / PIECE_TOKENS);
    int pieces = (int) Math.clamp(fit, 1, b);
    if (pieces == 1) return work.apply(batch);
    List<Tensor> done = new ArrayList<>();
    for (int piece = 0; piece < pieces; piece++) {
      long from = piece * b / pieces;
      done.add(work.apply(batch.narrow(0, from, (piece + 1) * b / pieces - from)));
    }
    return joined(done);
  }

  private static Tensor joined(List<Tensor> parts) {
    Tensor whole = Tensor.concat(parts, 0);
    parts.forEach(Tensor::close);
    return whole;
  }

  /**
   * A loss of what both halves give, and its gradients, which are left where each {@link
   * Tensor#trainable} has them. The halves run at once, forwards and backwards; the loss between
   * them on this thread. The current scope records.
   *
   * @param work as for {@link #run}; float32, on the CPU
   * @param loss a scalar, of both halves' tensors
   * @return the loss
   */
  public static double gradients(
      IntFunction<List<Tensor>> work, Function<List<List<Tensor>>, Tensor> loss) {
    List<List<Tensor>> halves = run(true, work);
    List<List<Tensor>> gradients = new ArrayList<>();
    List<List<Tensor>> leaves = new ArrayList<>();
    for (List<Tensor> half : halves) {
      gradients.add(half.stream().map(given -> Tensor.zeros(DType.F32, given.shape())).toList());
      leaves.add(pairs(half, gradients.getLast(), Tensor::trainable));
    }
    Tensor total = loss.apply(leaves);
    total.backward();
    // A weight's gradient is 0 + a + b or 0 + b + a, which are the same number: which half comes
    // first changes nothing. With more than two parts it would.
    run(
        true,
        half -> {
          pairs(halves.get(half), gradients.get(half), Tensor::mul).stream()
              .map(along -> along.sum(DType.F32))
              .reduce(Tensor::add)
              .orElseThrow()
              .backward();
          return List.of();
        });
    return total.item();
  }

  private static List<Tensor> pairs(
      List<Tensor> left, List<Tensor> right, BinaryOperator<Tensor> op) {
    return IntStream.range(0, left.size())
        .mapToObj(i -> op.apply(left.get(i), right.get(i)))
        .toList();
  }

  /** Its tensors have no owner. */
  private static List<Tensor> half(boolean recording, IntFunction<List<Tensor>> work, int half) {
    try (Scope scope = recording ? Scope.openRecording() : Scope.open()) {
      List<Tensor> tensors = work.apply(half);
      tensors.forEach(scope::release);
      return tensors;
    }
  }

  private static <T> T joined(CompletableFuture<T> half) {
    try {
      return half.join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof RuntimeException reason) throw reason;
      if (e.getCause() instanceof Error reason) throw reason;
      throw e;
    }
  }
}
