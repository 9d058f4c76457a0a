// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A species of the parts set. Each has one other, its {@link #relative}, from which it differs in
 * the colour of one part alone.
 *
 * @param body colour of all that has no own colour
 * @param part {@link ScenePart#WING} or {@link ScenePart#BREAST}: the one that may be painted
 * @param painted its colour; null where it is as the body
 */
public record Species(Colour body, Marked part, @Nullable Colour painted) {
  /** Parts by which species differ. */
  public enum Marked implements Worded {
    /** In species with short necks. */
    WING,
    /** In species with long necks. */
    BREAST
  }

  /** All species: each painted one is followed by its relative, which is not. */
  public static final List<Species> ALL = all();

  private static List<Species> all() {
    Colour[][] pairs = {
      {Colour.WHITE, Colour.BLUE, Colour.RED},
      {Colour.BLACK, Colour.YELLOW, Colour.ORANGE},
      {Colour.BROWN, Colour.WHITE, Colour.BLUE},
      {Colour.YELLOW, Colour.BLACK, Colour.RED},
      {Colour.GREEN, Colour.RED, Colour.YELLOW},
      {Colour.PINK, Colour.BLUE, Colour.GREEN}
    };
    List<Species> all = new ArrayList<>();
    for (Colour[] pair : pairs) {
      for (Marked part : Marked.values()) {
        all.add(new Species(pair[0], part, pair[1 + part.ordinal()]));
        all.add(new Species(pair[0], part, null));
      }
    }
    return List.copyOf(all);
  }

  /** The one that differs in the one part. */
  public Species relative() {
    int own = ALL.indexOf(this);
    return ALL.get(own % 2 == 0 ? own + 1 : own - 1);
  }

  /** As "blue-winged white", or "short-necked white" where nothing is painted. */
  public String word() {
    String mark =
        switch (part) {
          case WING -> painted == null ? "short-necked" : painted.word() + "-winged";
          case BREAST -> painted == null ? "long-necked" : painted.word() + "-breasted";
        };
    return mark + " " + body.word();
  }

  /** As CUB writes it: "Blue_winged_White". */
  String folder() {
    String text = word().replace('-', '_');
    int blank = text.indexOf(' ');
    return capital(text.substring(0, blank)) + "_" + capital(text.substring(blank + 1));
  }

  private static String capital(String text) {
    return Character.toUpperCase(text.charAt(0)) + text.substring(1);
  }
}
