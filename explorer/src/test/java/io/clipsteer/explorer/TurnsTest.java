// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Fairness, the newest piece, failures and the end. */
@Timeout(30)
final class TurnsTest {
  @Test
  void clientsTakeTurns() throws Exception {
    List<String> done = Collections.synchronizedList(new ArrayList<>());
    try (Turns turns = new Turns()) {
      CountDownLatch begun = new CountDownLatch(1);
      CountDownLatch busy = new CountDownLatch(1);
      CompletableFuture<Boolean> first =
          turns.submit(
              "a",
              "0",
              () -> {
                begun.countDown();
                return busy.await(20, TimeUnit.SECONDS);
              });
      assertTrue(begun.await(20, TimeUnit.SECONDS));
      List<CompletableFuture<Boolean>> all = new ArrayList<>();
      for (String piece : List.of("a1", "a2", "a3", "b1", "b2", "c1")) {
        all.add(turns.submit(piece.substring(0, 1), piece, () -> done.add(piece)));
      }
      busy.countDown();
      assertTrue(first.get());
      for (var one : all) one.get();
    }
    assertEquals(List.of("a1", "b1", "c1", "a2", "b2", "a3"), done);
  }

  @Test
  void onlyTheNewestOfAKindWaits() throws Exception {
    try (Turns turns = new Turns()) {
      CountDownLatch begun = new CountDownLatch(1);
      CountDownLatch busy = new CountDownLatch(1);
      var running =
          turns.submit(
              "a",
              "slider",
              () -> {
                begun.countDown();
                return busy.await(20, TimeUnit.SECONDS);
              });
      // Only what waits is cancelled, so the first must have begun.
      assertTrue(begun.await(20, TimeUnit.SECONDS));
      var old = turns.submit("a", "slider", () -> true);
      var other = turns.submit("b", "slider", () -> true);
      var search = turns.submit("a", "search", () -> true);
      var newest = turns.submit("a", "slider", () -> true);
      assertTrue(old.isCancelled());
      busy.countDown();
      assertTrue(running.get() && newest.get() && other.get() && search.get());
    }
  }

  @Test
  void aFailureEndsNothingElse() throws Exception {
    try (Turns turns = new Turns()) {
      var failed =
          turns.submit(
              "a",
              "1",
              () -> {
                throw new StackOverflowError();
              });
      assertThrows(ExecutionException.class, failed::get);
      assertEquals(7, turns.submit("a", "1", () -> 7).get());
    }
  }

  @Test
  void oneClientCannotFillTheQueue() throws Exception {
    try (Turns turns = new Turns()) {
      CountDownLatch busy = new CountDownLatch(1);
      turns.submit("a", "busy", () -> busy.await(20, TimeUnit.SECONDS));
      int refused = 0;
      for (int i = 0; i < 1000; i++) {
        if (turns.submit("a", "kind " + i, () -> 0).isCancelled()) refused++;
      }
      assertTrue(refused >= 960, refused + " refused");
      var other = turns.submit("b", "1", () -> 5);
      assertFalse(other.isCancelled());
      busy.countDown();
      assertEquals(5, other.get());
    }
  }

  @Test
  void whatWaitsAtTheEndIsCancelled() {
    CountDownLatch busy = new CountDownLatch(1);
    Turns turns = new Turns();
    turns.submit("a", "busy", () -> busy.await(100, TimeUnit.MILLISECONDS));
    var waits = turns.submit("a", "1", () -> 0);
    turns.close();
    assertTrue(waits.isDone());
    assertTrue(turns.submit("a", "1", () -> 0).isCancelled());
  }
}
