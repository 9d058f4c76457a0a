// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import java.util.List;
import java.util.stream.Collectors;

/** Commands to paste into a shell. */
public final class ShellLine {
  private ShellLine() {}

  /** The program's call with {@code words}, as a shell takes them. */
  public static String of(List<String> words) {
    return "clipsteer " + quoted(words);
  }

  /** Words as a shell takes them. */
  static String quoted(List<String> words) {
    return words.stream()
        .map(
            word ->
                word.matches("[A-Za-z0-9_./:=,@%+-]+")
                    ? word
                    : "'" + word.replace("'", "'\\''") + "'")
        .collect(Collectors.joining(" "));
  }
}
