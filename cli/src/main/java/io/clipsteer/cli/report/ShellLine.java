// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import java.util.List;

/** Commands to paste into a shell. */
public final class ShellLine {
  private ShellLine() {}

  /** The program's call with {@code words}, as a shell takes them. */
  public static String of(List<String> words) {
    StringBuilder line = new StringBuilder("clipsteer");
    for (String word : words) {
      boolean plain = word.matches("[A-Za-z0-9_./:=,@%+-]+");
      line.append(' ').append(plain ? word : "'" + word.replace("'", "'\\''") + "'");
    }
    return line.toString();
  }
}
