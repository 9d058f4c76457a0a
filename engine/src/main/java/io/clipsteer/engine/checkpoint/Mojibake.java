// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import static io.clipsteer.engine.checkpoint.FtfyTables.TABLES;

import io.clipsteer.engine.checkpoint.FtfyTables.CodePage;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * UTF-8 that was read by another code page, read right again: the steps of ftfy 6.3.1's {@code
 * fix_encoding}, with its own tables. Bytes are held as characters of Latin-1.
 */
final class Mojibake {
  /** Bytes of UTF-16 surrogates that were encoded as if they were characters (CESU-8). */
  private static final Pattern CESU8 =
      Pattern.compile("\\xed([\\xa0-\\xaf])([\\x80-\\xbf])\\xed([\\xb0-\\xbf])([\\x80-\\xbf])");

  /** Bytes that Windows-1252 leaves without a character. */
  private static final String UNASSIGNED = "\u0081\u008d\u008f\u0090\u009d";

  private static final Pattern C1 = Pattern.compile("[\\x80-\\x9f]");

  private Mojibake() {}

  /** The text with its mojibake fixed, repeated until no step changes it. */
  static String fix(String text) {
    String before = text;
    while (true) {
      String after = step(before);
      if (after.equals(before)) return after;
      before = after;
    }
  }

  private static boolean bad(String text) {
    return TABLES.badness().matcher(text).find();
  }

  private static String step(String text) {
    if (text.chars().allMatch(c -> c < 0x80) || !bad(text)) return text;
    boolean latin1 = false;
    for (CodePage page : TABLES.pages()) {
      String bytes = page.encode(text);
      if (bytes == null) continue;
      latin1 |= page.name().equals("latin-1");
      String decoded = decode(restored(bytes, page));
      if (decoded != null) return decoded;
    }
    if (TABLES.utf8().matcher(text).find()) {
      String fixed = inPlaces(text);
      if (!fixed.equals(text)) return fixed;
    }
    if (latin1 && text.chars().noneMatch(c -> UNASSIGNED.indexOf(c) >= 0)) {
      String fixed = c1(text);
      if (!fixed.equals(text)) return fixed;
    }
    return c1(text);
  }

  /** Bytes that other programs took for spaces or lost, put back where UTF-8 needs them. */
  private static String restored(String bytes, CodePage page) {
    String out = bytes;
    // In MacRoman the pattern would match a dash and a space.
    if (!page.name().equals("macroman") && TABLES.altered().matcher(out).find()) {
      out = TABLES.aGrave().matcher(out).replaceAll("\u00c3\u00a0 ");
      out = TABLES.altered().matcher(out).replaceAll(m -> m.group().replace(' ', '\u00a0'));
    }
    if (page.sloppy()) out = TABLES.lossy().matcher(out).replaceAll("\u00ef\u00bf\u00bd");
    return out;
  }

  /** Strict UTF-8, with CESU-8's pairs and the two-byte zero beside it; null when it is none. */
  private static @Nullable String decode(String bytes) {
    String plain = bytes;
    if (bytes.indexOf('\u00ed') >= 0 || bytes.indexOf('\u00c0') >= 0) {
      plain = CESU8.matcher(bytes).replaceAll(Mojibake::pair).replace("\u00c0\u0080", "\u0000");
    }
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPORT)
          .onUnmappableCharacter(CodingErrorAction.REPORT)
          .decode(ByteBuffer.wrap(plain.getBytes(StandardCharsets.ISO_8859_1)))
          .toString();
    } catch (CharacterCodingException e) {
      return null;
    }
  }

  private static String pair(java.util.regex.MatchResult m) {
    int point =
        0x10000
            + ((m.group(1).charAt(0) & 0x0f) << 16)
            + ((m.group(2).charAt(0) & 0x3f) << 10)
            + ((m.group(3).charAt(0) & 0x0f) << 6)
            + (m.group(4).charAt(0) & 0x3f);
    byte[] utf8 = Character.toString(point).getBytes(StandardCharsets.UTF_8);
    return new String(utf8, StandardCharsets.ISO_8859_1);
  }

  /** Parts that look like mojibake, in a text that is not so as a whole. */
  private static String inPlaces(String text) {
    Matcher m = TABLES.utf8().matcher(text);
    return m.replaceAll(
        r -> {
          String part = r.group();
          boolean mend = part.length() < text.length() && bad(part);
          return Matcher.quoteReplacement(mend ? fix(part) : part);
        });
  }

  /** Control characters U+0080 to U+009F as Windows-1252 has them, as web browsers do. */
  static String c1(String text) {
    String page = TABLES.pages().get(1).characters();
    return C1.matcher(text)
        .replaceAll(m -> page.substring(m.group().charAt(0), m.group().charAt(0) + 1));
  }
}
