// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data;

import org.apiguardian.api.API;

/**
 * Something the user handed over cannot be used. Its message is one line that says where, what is
 * wrong, and what to do next; the program prints it without a stack trace and exits with 1, or with
 * 2 where an option's value is wrong.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public class InputException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final boolean option;

  /**
   * @param where the file, tensor, option or value that is wrong
   * @param what what is wrong with it, with the offending figure
   * @param remedy what to do next
   */
  public InputException(Object where, String what, String remedy) {
    super(oneLine(where + ": " + what + ". " + remedy));
    option = isOption(where);
  }

  /** As above, keeping the exception that revealed the fault. */
  public InputException(Object where, String what, String remedy, Throwable cause) {
    super(oneLine(where + ": " + what + ". " + remedy), cause);
    option = isOption(where);
  }

  /**
   * One that another process of the program met.
   *
   * @param message its message
   */
  public InputException(String message) {
    super(oneLine(message));
    option = false;
  }

  /** Whether the value of an option is wrong: the command line, and no file. */
  public boolean isOfOption() {
    return option;
  }

  /** A file whose name starts with two dashes is given as a path, not as text. */
  private static boolean isOption(Object where) {
    return where instanceof String text && text.startsWith("--");
  }

  /** Hostile names may carry line breaks or terminal escapes: none of them reaches the terminal. */
  private static String oneLine(String text) {
    StringBuilder clean = new StringBuilder(text.length());
    text.codePoints()
        .limit(2000)
        .forEach(c -> clean.appendCodePoint(Character.isISOControl(c) ? ' ' : c));
    return clean.toString();
  }
}
