// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data;

import java.util.List;
import java.util.stream.Collectors;

/** Words as a POSIX shell takes them. */
public final class ShellWords {
  private ShellWords() {}

  /** The words in one line; those that the shell would change are quoted. */
  public static String line(List<String> words) {
    return words.stream()
        .map(
            word ->
                word.matches("[A-Za-z0-9_./:=,@%+-]+")
                    ? word
                    : "'" + word.replace("'", "'\\''") + "'")
        .collect(Collectors.joining(" "));
  }
}
