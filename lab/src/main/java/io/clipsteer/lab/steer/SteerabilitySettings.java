// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import com.fasterxml.jackson.annotation.JsonIncludeProperties;
import io.clipsteer.data.InputException;
import java.util.List;

/**
 * The settings of a measurement; {@code steerability.json} holds some.
 *
 * @param kinds which units
 * @param set strengths that units are set to, each a measurement of its own
 * @param tau a unit with S above it is steerable
 * @param at which tokens are edited, as {@link io.clipsteer.engine.model.TokenMask} reads it
 * @param screen whether a few images are evaluated first
 * @param sample size of a random sample of an SAE's features; 0 for all
 * @param randoms random directions of a hook point
 * @param dose how many of an SAE's most steerable features get a dose-response curve; 0 for none
 * @param vocabularies sizes of parts of the vocabulary with which the measurement is repeated
 * @param seed of everything random
 */
@JsonIncludeProperties({"set", "tau", "at", "screen"})
public record SteerabilitySettings(
    List<SteeredUnits.UnitKind> kinds,
    List<Strength> set,
    double tau,
    String at,
    boolean screen,
    int sample,
    int randoms,
    int dose,
    List<Integer> vocabularies,
    long seed) {
  private static final double MOST = 1e6;

  public SteerabilitySettings {
    kinds = List.copyOf(kinds);
    vocabularies = vocabularies.stream().distinct().sorted().toList();
    set = set.stream().distinct().toList();
    if (set.isEmpty()) throw new IllegalArgumentException("no strength");
    for (Strength one : set) {
      if (one.unit() == Strength.StrengthUnit.PERCENTILE || !(Math.abs(one.number()) <= MOST)) {
        throw new InputException(
            "--set " + one, "not a number or multiple from -1e6 to 1e6", "Give 1x,2x,150");
      }
    }
    if (!(tau >= 0 && tau < 2)) {
      throw new InputException("--tau " + tau, "not from 0 to 2", "The paper's is 0.1");
    }
    if (sample < 0) throw new InputException("--sample " + sample, "below 0", "Leave it out");
    if (dose < 0) throw new InputException("--dose " + dose, "below 0", "Leave it out");
    if (randoms < 1 || randoms > 1 << 20) {
      throw new InputException("--random-count " + randoms, "not 1 to 1048576", "Try 512");
    }
  }

  /** The last strength: that of studies beside the measurement. */
  Strength last() {
    return set.getLast();
  }

  /** The strength at which features are selected for their dose-response: their own, if any. */
  Strength dosed() {
    return set.stream().filter(Strength::isOwn).reduce((a, b) -> b).orElse(last());
  }

  /** The settings for a part of the vocabulary. */
  SteerabilitySettings withoutDose() {
    return new SteerabilitySettings(
        kinds, List.of(last()), tau, at, screen, sample, randoms, 0, List.of(), seed);
  }
}
