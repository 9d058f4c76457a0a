// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import java.util.stream.IntStream;

/** Which features of an SAE in training have fired, and how many tokens ago. */
final class Firing {
  /** Tokens since a feature last fired. */
  private final long[] quiet;

  private final boolean[] fired;
  private final long deadTokens;

  /**
   * Initially no feature has fired and none is dead.
   *
   * @param deadTokens number of tokens without firing after which a feature is dead
   */
  Firing(int features, long deadTokens) {
    this.quiet = new long[features];
    this.fired = new boolean[features];
    this.deadTokens = deadTokens;
  }

  /** Dead features in ascending order. */
  long[] dead() {
    return IntStream.range(0, quiet.length)
        .filter(f -> quiet[f] >= deadTokens)
        .asLongStream()
        .toArray();
  }

  /**
   * Records a batch.
   *
   * @param active whether each feature was active in it
   * @param tokens its number of tokens
   */
  void record(boolean[] active, int tokens) {
    for (int f = 0; f < active.length; f++) {
      quiet[f] = active[f] ? 0 : quiet[f] + tokens;
      fired[f] |= active[f];
    }
  }

  /** Counts resampled features as if they had just fired. */
  void restart(long[] features) {
    for (long f : features) quiet[(int) f] = 0;
  }

  /** Tokens since each feature last fired. */
  long[] quiet() {
    return quiet.clone();
  }

  /** 1 where a feature fired at least once, else 0. */
  long[] fired() {
    return IntStream.range(0, fired.length).mapToLong(f -> fired[f] ? 1 : 0).toArray();
  }

  /** Replaces the record by stored {@link #quiet} and {@link #fired}. */
  void restore(long[] storedQuiet, long[] storedFired) {
    System.arraycopy(storedQuiet, 0, quiet, 0, quiet.length);
    for (int f = 0; f < fired.length; f++) fired[f] = storedFired[f] != 0;
  }
}
