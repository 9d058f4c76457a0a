// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The tables that text cleaning reads: ftfy's patterns and code pages (ftfy 6.3.1, Robyn Speer,
 * Apache-2.0) and the named character references of HTML 5, in a resource that
 * bench/peers/make_text_cleaning.py writes from the installed library.
 *
 * @param badness what seldom stands in text that was decoded right
 * @param utf8 sequences that look like UTF-8 read by another code page
 * @param altered bytes of UTF-8 in which a space stands for 0xA0
 * @param lossy bytes of UTF-8 of which some are lost
 * @param aGrave the bytes of "à" as a word, its 0xA0 lost
 * @param pages code pages to try, in order
 * @param ligatures Latin ligatures and digraphs, with their letters
 * @param entities HTML 5's names, with the semicolon where it belongs to the name
 * @param upperEntities names in capitals that ftfy knows beside them
 * @param numeric code points that HTML reads as others
 * @param noCharacters code points that HTML drops
 */
record FtfyTables(
    Pattern badness,
    Pattern utf8,
    Pattern altered,
    Pattern lossy,
    Pattern aGrave,
    List<CodePage> pages,
    Map<Integer, String> ligatures,
    Map<String, String> entities,
    Map<String, String> upperEntities,
    Map<Integer, String> numeric,
    Set<Integer> noCharacters) {
  static final FtfyTables TABLES = read();

  /**
   * A code page of 256 characters.
   *
   * @param bytes the byte of each character; a sloppy page has U+FFFD for byte 0x1A
   */
  record CodePage(String name, String characters, Map<Character, Character> bytes) {
    boolean sloppy() {
      return name.startsWith("sloppy");
    }

    /** The text's bytes, each as a Latin-1 character; null when a character is not on the page. */
    @org.jspecify.annotations.Nullable
    String encode(String text) {
      StringBuilder out = new StringBuilder(text.length());
      for (int i = 0; i < text.length(); i++) {
        Character b = bytes.get(text.charAt(i));
        if (b == null) return null;
        out.append(b.charValue());
      }
      return out.toString();
    }
  }

  private static FtfyTables read() {
    JsonNode json;
    try (InputStream in = FtfyTables.class.getResourceAsStream("ftfy.json")) {
      if (in == null) throw new IllegalStateException("ftfy.json is missing in the program");
      json = JsonMapper.shared().readTree(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    List<CodePage> pages = new ArrayList<>();
    json.path("pages").properties().forEach(p -> pages.add(page(p.getKey(), p.getValue())));
    Map<Integer, String> ligatures = new HashMap<>();
    strings(json.path("ligatures")).forEach((k, v) -> ligatures.put(k.codePointAt(0), v));
    Map<Integer, String> numeric = new HashMap<>();
    strings(json.path("numeric")).forEach((k, v) -> numeric.put(Integer.parseInt(k), v));
    Set<Integer> none = new HashSet<>();
    json.path("no_characters").forEach(n -> none.add(n.asInt()));
    return new FtfyTables(
        pattern(json, "badness"),
        pattern(json, "utf8"),
        pattern(json, "altered"),
        pattern(json, "lossy"),
        pattern(json, "a_grave"),
        List.copyOf(pages),
        Map.copyOf(ligatures),
        Map.copyOf(strings(json.path("entities"))),
        Map.copyOf(strings(json.path("upper_entities"))),
        Map.copyOf(numeric),
        Set.copyOf(none));
  }

  private static CodePage page(String name, JsonNode characters) {
    String page = characters.asString();
    Map<Character, Character> bytes = new HashMap<>();
    for (char b = 0; b < 256; b++) bytes.put(page.charAt(b), b);
    return new CodePage(name, page, Map.copyOf(bytes));
  }

  private static Pattern pattern(JsonNode json, String name) {
    return Pattern.compile(json.path(name).asString());
  }

  private static Map<String, String> strings(JsonNode object) {
    Map<String, String> map = new LinkedHashMap<>();
    object.properties().forEach(p -> map.put(p.getKey(), p.getValue().asString()));
    return map;
  }
}
