// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** The words that are written in images. */
public final class WrittenWords {
  /** Words that name no object. */
  static final List<String> SIGNS =
      List.of(
          "sale", "stop", "open", "exit", "taxi", "cafe", "hotel", "milk", "fresh", "north",
          "danger", "music", "police", "school");

  /** All words that are ever written: the objects' names, then signs. */
  public static final List<String> WRITTEN = written();

  private WrittenWords() {}

  private static List<String> written() {
    List<String> words = new ArrayList<>();
    for (ObjectKind kind : ObjectKind.values()) words.add(kind.word());
    words.addAll(SIGNS);
    return List.copyOf(words);
  }

  /** What kind of image it is, in one word. */
  static String kindOf(Factors factors) {
    return switch (factors) {
      case Factors.Things t -> "things";
      case Factors.Portrait p -> "portrait";
      case Factors.Bird b -> "bird";
      case Factors.SpeciesBird b -> "species";
    };
  }

  /** A constant's name as a word. */
  static String of(String constant) {
    return constant.toLowerCase(Locale.ROOT);
  }
}
