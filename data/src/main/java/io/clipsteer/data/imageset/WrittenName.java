// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import io.clipsteer.data.InputException;
import java.util.Locale;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Labels and words in names of files, {@code label=dog_text=cat_000012.png}. The characters that
 * divide such a name, or that no file name may hold, stand there as in an address: {@code
 * CD%2FDVD}.
 */
public final class WrittenName {
  private static final int LONGEST = 80;
  private static final Pattern SPECIAL = Pattern.compile("[%_=/\\\\]");
  private static final Pattern CODE = Pattern.compile("%(25|5F|3D|2F|5C)");

  private WrittenName() {}

  /**
   * A label or word as it stands in a name.
   *
   * @throws InputException when it is blank, longer than 80 characters or holds control characters
   */
  public static String encode(String word) {
    String plain = word.strip();
    if (plain.isEmpty() || plain.length() > LONGEST || plain.matches("(?s).*\\p{Cntrl}.*")) {
      throw new InputException(
          "\"" + word + "\"",
          "cannot be in a file's name",
          "Use words of 1 to " + LONGEST + " characters without line breaks");
    }
    return SPECIAL
        .matcher(plain)
        .replaceAll(
            found -> "%" + Integer.toHexString(found.group().charAt(0)).toUpperCase(Locale.ROOT));
  }

  /** The label or word of a name's part; parts written by other programs are unchanged. */
  static String decode(String part) {
    return CODE.matcher(part).replaceAll(WrittenName::character);
  }

  private static String character(MatchResult code) {
    return Matcher.quoteReplacement(String.valueOf((char) Integer.parseInt(code.group(1), 16)));
  }
}
