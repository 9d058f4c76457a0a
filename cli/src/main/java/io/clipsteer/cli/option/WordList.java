// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.TextFile;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Words from a file, one a line; words that occur more than once are reported on stderr. */
public final class WordList {
  private static final int NAMED = 5;

  private WordList() {}

  /** Every line, also those that repeat another: ImageNet has two classes called crane. */
  static List<String> all(Path file) {
    List<String> lines = TextFile.lines(file);
    report(file, lines, "word", "both are kept");
    return lines;
  }

  /** Every word once. */
  public static List<String> once(Path file) {
    List<String> lines = TextFile.lines(file);
    report(file, lines, "word", "each is used once");
    return lines.stream().distinct().toList();
  }

  /** Says which entries of a list occur more than once, and what becomes of them. */
  static void report(Path file, List<String> lines, String kind, String what) {
    Map<String, Integer> counts = new LinkedHashMap<>();
    for (String line : lines) counts.merge(line, 1, Integer::sum);
    List<String> repeated =
        counts.entrySet().stream().filter(e -> e.getValue() > 1).map(Map.Entry::getKey).toList();
    if (repeated.isEmpty()) return;
    String names = String.join(", ", repeated.subList(0, Math.min(NAMED, repeated.size())));
    System.err.println(
        file
            + ": "
            + (repeated.size() == 1
                ? "1 " + kind + " repeats"
                : repeated.size() + " " + kind + "s repeat")
            + " ("
            + names
            + (repeated.size() > NAMED ? ", …" : "")
            + "); "
            + what);
  }
}
