// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import io.clipsteer.lab.steer.Strength;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * An edit of an open image, as the page sends it.
 *
 * @param image its id
 * @param tokens all, cls, patches or selected
 * @param patches the selected ones, row by row from 0
 * @param words zero-shot words that answer beside the probes
 */
record PageEdit(
    String image,
    @Nullable String tokens,
    @Nullable List<Integer> patches,
    @Nullable List<EditedUnit> units,
    @Nullable List<String> words) {
  private static final int MOST_UNITS = 64;
  private static final int MOST_WORDS = 200;
  private static final int LONGEST_WORD = 200;

  /** The units that can be edited. */
  enum EditedKind {
    FEATURE,
    NEURON,
    RANDOM
  }

  /**
   * A unit that is set to an activation.
   *
   * @param sae number of its SAE in the run; of a neuron or a random direction, whose hook point
   *     and σ are taken
   * @param kind feature, neuron or random
   * @param id number; of a random direction its seed
   * @param set its activation: "0", "2x", "p99", "-12.5", as --set of the command line
   */
  record EditedUnit(int sae, String kind, int id, String set) {
    EditedKind edited() {
      for (EditedKind one : EditedKind.values()) {
        if (one.name().toLowerCase(Locale.ROOT).equals(kind)) return one;
      }
      throw new InputException("the kind " + kind, "is none", "Use feature, neuron or random");
    }

    Strength strength() {
      return Strength.parse(String.valueOf(set));
    }
  }

  /** The edit of a request; refuses one that is missing or too large. */
  static PageEdit checked(@Nullable PageEdit edit) {
    if (edit != null) return edit.checked();
    throw new InputException("the edit", "is missing", "docs/explorer-api.md describes it");
  }

  /** The same with nothing left open; refuses what is too large. */
  PageEdit checked() {
    List<EditedUnit> all = units == null ? List.of() : units;
    if (all.size() > MOST_UNITS) {
      throw new InputException("the edit", "has more than " + MOST_UNITS + " units", "Take fewer");
    }
    List<String> texts = words == null ? List.of() : words;
    for (String text : texts) {
      if (text != null && !text.isBlank() && text.length() <= LONGEST_WORD) continue;
      throw new InputException("a word", "is empty or too long", "Write a word or a phrase");
    }
    if (texts.size() > MOST_WORDS || texts.stream().distinct().count() < texts.size()) {
      throw new InputException(
          "the words", "are more than " + MOST_WORDS + ", or one is there twice", "Take fewer");
    }
    if (all.stream().anyMatch(Objects::isNull)
        || patches != null && patches.stream().anyMatch(Objects::isNull)) {
      throw new InputException("the edit", "has an empty unit or patch", "Reload the page");
    }
    return new PageEdit(
        String.valueOf(image),
        tokens == null ? "all" : tokens,
        patches == null ? List.of() : List.copyOf(patches),
        List.copyOf(all),
        List.copyOf(texts));
  }
}
