// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data;

/**
 * Something the user handed over cannot be used. Its message is one line that says where, what is
 * wrong, and what to do next; the program prints it without a stack trace and exits with 1.
 */
public final class InputException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * @param where the file, tensor, option or value that is wrong
   * @param what what is wrong with it, with the offending figure
   * @param remedy what to do next
   */
  public InputException(Object where, String what, String remedy) {
    super(oneLine(where + ": " + what + ". " + remedy));
  }

  /** As above, keeping the exception that revealed the fault. */
  public InputException(Object where, String what, String remedy, Throwable cause) {
    super(oneLine(where + ": " + what + ". " + remedy), cause);
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
