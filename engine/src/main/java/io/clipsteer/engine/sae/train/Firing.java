// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import java.util.stream.IntStream;

/**
 * Which features of an SAE in training fire: how long each has been quiet, and whether it ever
 * fired.
 */
final class Firing {
  /** Tokens since a feature last fired. */
  private final long[] quiet;

  private final boolean[] fired;
  private final long deadTokens;

  /**
   * At the beginning none has fired, and none is dead.
   *
   * @param deadTokens after so many tokens without firing a feature is dead
   */
  Firing(int features, long deadTokens) {
    this.quiet = new long[features];
    this.fired = new boolean[features];
    this.deadTokens = deadTokens;
  }

  /** Dead features, rising. */
  long[] dead() {
    return IntStream.range(0, quiet.length)
        .filter(f -> quiet[f] >= deadTokens)
        .asLongStream()
        .toArray();
  }

  /** A batch of tokens and the features that were active in it. */
  void note(boolean[] seen, int tokens) {
    for (int f = 0; f < seen.length; f++) {
      quiet[f] = seen[f] ? 0 : quiet[f] + tokens;
      fired[f] |= seen[f];
    }
  }

  /** Features that begin anew count as if they had just fired. */
  void restart(long[] features) {
    for (long f : features) quiet[(int) f] = 0;
  }

  /** Share of features that fired at least once. */
  double share() {
    int count = 0;
    for (boolean f : fired) if (f) count++;
    return (double) count / fired.length;
  }

  // ---- as a state file has it ------------------------------------------------------------------

  long[] quiet() {
    return quiet.clone();
  }

  /** 1 where a feature fired at least once, else 0. */
  long[] fired() {
    return IntStream.range(0, fired.length).mapToLong(f -> fired[f] ? 1 : 0).toArray();
  }

  void restore(long[] storedQuiet, long[] storedFired) {
    System.arraycopy(storedQuiet, 0, quiet, 0, quiet.length);
    for (int f = 0; f < fired.length; f++) fired[f] = storedFired[f] != 0;
  }
}
