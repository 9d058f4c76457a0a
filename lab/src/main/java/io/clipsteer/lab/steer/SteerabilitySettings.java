// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.model.TokenMask;
import java.util.List;

/**
 * What is measured, and how.
 *
 * @param kinds which units
 * @param strength what features and neurons are set to, and how far random directions push
 * @param tau a unit with S above it is steerable
 * @param at which tokens are edited
 * @param screen whether few images are asked first
 * @param sample how many of an SAE's features, drawn at random; 0 for all
 * @param randoms how many random directions a hook point
 * @param dose how many of an SAE's most steerable features are asked at several strengths; 0 for
 *     none
 * @param vocabularies sizes of parts of the vocabulary that everything is measured with again
 * @param seed of everything random
 */
public record SteerabilitySettings(
    List<SteeredUnits.Kind> kinds,
    double strength,
    double tau,
    TokenMask at,
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
    if (!(Math.abs(strength) <= MOST)) {
      throw new InputException(
          "--strength " + strength, "not from -1e6 to 1e6", "The paper's is 150");
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

  /** The same for a part of the vocabulary. */
  SteerabilitySettings withoutDose() {
    return new SteerabilitySettings(
        kinds, strength, tau, at, screen, sample, randoms, 0, List.of(), seed);
  }
}
