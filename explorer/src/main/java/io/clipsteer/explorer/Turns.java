// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.Queue;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * Work on the one model, one piece at a time in a thread of its own. Clients take turns, so that
 * none waits for more than one piece of each other. Of a client's pieces of the same kind only the
 * newest waits: a slider that moves on needs no answer for where it was.
 */
final class Turns implements AutoCloseable {
  /** Pieces of one client that may wait; more are refused. */
  private static final int MOST_WAITING = 32;

  private record Piece(String kind, Runnable work, CompletableFuture<?> answer) {}

  /** Whose turn is next comes first. */
  private final LinkedHashMap<String, Queue<Piece>> waiting = new LinkedHashMap<>();

  private final Thread thread;
  private boolean closed;

  Turns() {
    thread = Thread.ofPlatform().name("model").daemon().start(this::work);
  }

  /**
   * Hands in a piece.
   *
   * @param client whose turn it takes
   * @param kind of the piece; one that waits is cancelled by a newer one of the client
   * @return its result; {@link CancellationException} where it was cancelled or refused
   */
  synchronized <T> CompletableFuture<T> submit(String client, String kind, Callable<T> piece) {
    CompletableFuture<T> answer = new CompletableFuture<>();
    Queue<Piece> own = waiting.computeIfAbsent(client, c -> new ArrayDeque<>());
    own.removeIf(older -> older.kind.equals(kind) && older.answer.cancel(false));
    if (closed || own.size() >= MOST_WAITING) {
      answer.cancel(false);
      return answer;
    }
    own.add(new Piece(kind, () -> run(piece, answer), answer));
    notifyAll();
    return answer;
  }

  private static <T> void run(Callable<T> piece, CompletableFuture<T> answer) {
    try {
      answer.complete(piece.call());
    } catch (Throwable e) { // whatever happens in a piece, the next one is served
      answer.completeExceptionally(e);
    }
  }

  private void work() {
    for (Piece next = next(); next != null; next = next()) {
      if (!next.answer.isDone()) next.work.run();
    }
  }

  /** The next piece, of the client that waits longest; null at the end. */
  private synchronized @Nullable Piece next() {
    while (!closed) {
      var first = waiting.pollFirstEntry();
      if (first != null) {
        Piece piece = first.getValue().poll();
        // To the end of the queue, with what it still waits for.
        if (!first.getValue().isEmpty()) waiting.put(first.getKey(), first.getValue());
        if (piece != null) return piece;
        continue;
      }
      try {
        wait();
      } catch (InterruptedException e) {
        return null;
      }
    }
    return null;
  }

  /** Cancels what waits, and waits for the piece that is running. */
  @Override
  public void close() {
    synchronized (this) {
      closed = true;
      waiting.values().forEach(own -> own.forEach(piece -> piece.answer.cancel(false)));
      waiting.clear();
      notifyAll();
    }
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
