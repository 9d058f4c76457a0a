// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

/**
 * Whether steering features raises their names: the mean change of that word's probability is above
 * 0.
 *
 * @param named features that have a name in the vocabulary
 * @param raised of these, features whose name rises
 * @param chance of these, the sum of the shares of words that rise: the number of names expected to
 *     rise if they were random words
 */
public record Raised(int named, int raised, double chance) {
  static final Raised NONE = new Raised(0, 0, 0);

  /**
   * Counts one feature.
   *
   * @param mean change of every word's probability
   * @param name row of its name
   */
  static Raised of(double[] mean, int name) {
    int rising = 0;
    for (double change : mean) if (change > 0) rising++;
    return new Raised(1, mean[name] > 0 ? 1 : 0, (double) rising / mean.length);
  }

  Raised plus(Raised other) {
    return new Raised(named + other.named, raised + other.raised, chance + other.chance);
  }
}
