// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import static io.clipsteer.engine.checkpoint.FtfyTables.TABLES;

import java.text.Normalizer;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What open_clip and OpenAI's CLIP do with a text before they split it into tokens: ftfy 6.3.1's
 * {@code fix_text} with its defaults, HTML's character references twice, white space, letter case.
 */
enum TextCleaning {
  /** As it is: Hugging Face's tokenizers have their own normaliser. */
  NONE,
  /** White space alone, open_clip's "whitespace". */
  WHITESPACE,
  /** Lower case besides, open_clip's and OpenAI's default "lower". */
  LOWER,
  /** Without ASCII punctuation besides, open_clip's "canonicalize". */
  CANONICALIZE,
  /** Lower case, without ASCII punctuation, single spaces, and nothing before: SiglipTokenizer. */
  SIGLIP;

  /** Punctuation that stands in words (Word_Break MidLetter, MidNumLet, Single_Quote). */
  private static final String IN_WORDS =
      "'.:\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a";

  /** White space as Python's {@code str.split} has it. */
  private static final String SPACE =
      "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+";

  private static final Pattern SPACES = Pattern.compile(SPACE);
  private static final Pattern OUTER_SPACES = Pattern.compile("^" + SPACE + "|" + SPACE + "\\z");
  private static final Pattern PUNCTUATION = Pattern.compile("[!-/:-@\\[-`{-~]");
  private static final Pattern ENTITY = Pattern.compile("&#?[0-9A-Za-z]{1,24};");
  private static final Pattern REFERENCE =
      Pattern.compile("&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\\t\\n\\f <&#;]{1,32};?)");
  private static final Pattern ESCAPES = Pattern.compile("\u001b\\[[\\p{Nd};]*[a-zA-Z]");
  private static final Pattern DOUBLE_QUOTES = Pattern.compile("[\u201c-\u201f]");
  private static final Pattern SINGLE_QUOTES = Pattern.compile("[\u02bc\u2018-\u201b]");
  private static final Pattern BREAKS = Pattern.compile("\r\n|[\r\u2028\u2029\u0085]");
  private static final Pattern LONE_SURROGATES = Pattern.compile("[\\ud800-\\udfff]");
  private static final Pattern CONTROLS =
      Pattern.compile("[\\x00-\\x08\\x0b\\x0e-\\x1f\\x7f\\u206a-\\u206f\\ufeff\\ufff9-\\ufffc]");

  /** The cleaned text. */
  String clean(String text) {
    if (this == NONE) return text;
    if (this == SIGLIP) return bare(text);
    String basic = OUTER_SPACES.matcher(unescape(unescape(fix(text)))).replaceAll("");
    return switch (this) {
      case NONE, SIGLIP -> throw new IllegalStateException("cleaned before");
      case WHITESPACE -> spaced(basic);
      case LOWER -> lower(spaced(basic));
      case CANONICALIZE -> bare(basic.replace('_', ' '));
    };
  }

  private static String bare(String text) {
    return spaced(lower(PUNCTUATION.matcher(text).replaceAll("")));
  }

  /**
   * Lower case as Python has it: a capital sigma becomes the final one after a letter with case and
   * before none, whatever lies between that Unicode calls ignorable there.
   */
  static String lower(String text) {
    if (text.indexOf('Σ') < 0) return text.toLowerCase(Locale.ROOT);
    int[] points = text.codePoints().toArray();
    for (int i = 0; i < points.length; i++) {
      if (points[i] == 'Σ') points[i] = cased(points, i, -1) && !cased(points, i, 1) ? 'ς' : 'σ';
    }
    return new String(points, 0, points.length).toLowerCase(Locale.ROOT);
  }

  private static boolean cased(int[] points, int from, int step) {
    int i = from + step;
    while (i >= 0 && i < points.length && ignorable(points[i])) i += step;
    if (i < 0 || i >= points.length) return false;
    int c = points[i];
    return Character.isLowerCase(c) || Character.isUpperCase(c) || Character.isTitleCase(c);
  }

  /** Unicode's Case_Ignorable. */
  private static boolean ignorable(int c) {
    return switch (Character.getType(c)) {
      case Character.NON_SPACING_MARK,
          Character.ENCLOSING_MARK,
          Character.FORMAT,
          Character.MODIFIER_LETTER,
          Character.MODIFIER_SYMBOL ->
          true;
      default -> IN_WORDS.indexOf(c) >= 0;
    };
  }

  private static String spaced(String text) {
    String one = SPACES.matcher(text).replaceAll(" ");
    return one.strip();
  }

  /** ftfy's {@code fix_text}: line by line, each until no step changes it. */
  static String fix(String text) {
    StringBuilder out = new StringBuilder();
    boolean entities = true;
    int at = 0;
    while (at < text.length()) {
      int end = text.indexOf('\n', at) + 1;
      if (end == 0) end = text.length();
      String line = text.substring(at, end);
      // A "<" speaks for HTML proper, whose references are meant; so for all lines after it.
      entities &= line.indexOf('<') < 0;
      out.append(fixLine(line, entities));
      at = end;
    }
    return out.toString();
  }

  private static String fixLine(String line, boolean entities) {
    String before = line;
    while (true) {
      String text = entities ? unescapeCertain(before) : before;
      text = Mojibake.c1(Mojibake.fix(text));
      text = widths(ligatures(text));
      text = SINGLE_QUOTES.matcher(DOUBLE_QUOTES.matcher(text).replaceAll("\"")).replaceAll("'");
      text = BREAKS.matcher(text).replaceAll("\n");
      text = LONE_SURROGATES.matcher(text).replaceAll("\ufffd");
      text = CONTROLS.matcher(ESCAPES.matcher(text).replaceAll("")).replaceAll("");
      text = Normalizer.normalize(text, Normalizer.Form.NFC);
      if (text.equals(before)) return text;
      before = text;
    }
  }

  private static String ligatures(String text) {
    StringBuilder out = new StringBuilder(text.length());
    for (int i = 0; i < text.length(); i++) {
      String letters = TABLES.ligatures().get((int) text.charAt(i));
      if (letters == null) out.append(text.charAt(i));
      else out.append(letters);
    }
    return out.toString();
  }

  /** Full-width letters and half-width kana to their usual width. */
  private static String widths(String text) {
    StringBuilder out = new StringBuilder(text.length());
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '\u3000') out.append(' ');
      else if (c < '\uff01' || c > '\uffef') out.append(c);
      else out.append(Normalizer.normalize(String.valueOf(c), Normalizer.Form.NFKC));
    }
    return out.toString();
  }

  /** ftfy's {@code unescape_html}: references that end in a semicolon. */
  private static String unescapeCertain(String text) {
    return ENTITY
        .matcher(text)
        .replaceAll(
            m -> {
              String whole = m.group();
              String name = whole.substring(1);
              Map<String, String> known = TABLES.entities();
              String value =
                  known.containsKey(name) ? known.get(name) : TABLES.upperEntities().get(name);
              if (value == null && name.startsWith("#")) {
                String number = unescape(whole);
                value = number.indexOf(';') >= 0 ? whole : number;
              }
              return Matcher.quoteReplacement(value == null ? whole : value);
            });
  }

  /** Python's {@code html.unescape}: HTML 5's rules for references, those without semicolon too. */
  static String unescape(String text) {
    if (text.indexOf('&') < 0) return text;
    return REFERENCE.matcher(text).replaceAll(m -> Matcher.quoteReplacement(reference(m.group(1))));
  }

  private static String reference(String name) {
    if (name.charAt(0) == '#') return numeric(name);
    Map<String, String> known = TABLES.entities();
    String whole = known.get(name);
    if (whole != null) return whole;
    for (int n = name.length() - 1; n > 1; n--) {
      String value = known.get(name.substring(0, n));
      if (value != null) return value + name.substring(n);
    }
    return "&" + name;
  }

  private static String numeric(String name) {
    String digits = name.endsWith(";") ? name.substring(1, name.length() - 1) : name.substring(1);
    boolean hex = digits.charAt(0) == 'x' || digits.charAt(0) == 'X';
    if (hex) digits = digits.substring(1);
    java.math.BigInteger value = new java.math.BigInteger(digits, hex ? 16 : 10);
    int point = value.bitLength() > 21 ? Integer.MAX_VALUE : value.intValue();
    String other = TABLES.numeric().get(point);
    if (other != null) return other;
    if (point > Character.MAX_CODE_POINT || point >= 0xd800 && point <= 0xdfff) return "\ufffd";
    return TABLES.noCharacters().contains(point) ? "" : Character.toString(point);
  }
}
