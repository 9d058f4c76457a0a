// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.InputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Byte-pair encoding of a cleaned text as OpenAI's and open_clip's SimpleTokenizer do it: words by
 * a pattern, each word's pairs merged by rank. Texts may hold the special tokens by their names,
 * which the two libraries call differently.
 */
final class SimpleBpe {
  private final Map<String, Integer> ids;
  private final Map<String, Integer> ranks = new HashMap<>();
  private final Map<String, Long> special;
  private final Pattern words;
  private final String[] letters = new String[256];
  private final Map<String, long[]> known = new ConcurrentHashMap<>();
  private final long start;
  private final long end;

  /**
   * Of a vocabulary.
   *
   * @param openAi whether special tokens are called as OpenAI does
   * @param where the vocabulary's file, for messages
   */
  SimpleBpe(ClipVocabulary vocabulary, boolean openAi, Path where) {
    ids = vocabulary.ids();
    for (String merge : vocabulary.merges()) ranks.putIfAbsent(merge, ranks.size());
    start = id(ClipVocabulary.START, where);
    end = id(ClipVocabulary.END, where);
    String first = openAi ? ClipVocabulary.START : "<start_of_text>";
    String last = openAi ? ClipVocabulary.END : "<end_of_text>";
    special = Map.of(first, start, last, end);
    // U+0345 is no letter, and without regard to case no other character either: it is dropped.
    words =
        Pattern.compile(
            Pattern.quote(first)
                + "|"
                + Pattern.quote(last)
                + "|'s|'t|'re|'ve|'m|'ll|'d|\\p{L}+|\\p{N}|[^\\s\\p{L}\\p{N}\u0345]+",
            Pattern.CASE_INSENSITIVE | Pattern.UNICODE_CASE);
    List<String> alphabet = ClipVocabulary.byteLetters();
    int next = 0;
    for (int b : ClipVocabulary.byteOrder()) letters[b] = alphabet.get(next++);
    for (String letter : letters) {
      id(letter, where);
      id(letter + "</w>", where);
    }
    for (String merge : vocabulary.merges()) id(merge.replace(" ", ""), where);
  }

  private long id(String token, Path where) {
    @Nullable Integer id = ids.get(token);
    if (id == null) {
      throw new InputException(
          where, "not a tokenizer: its vocabulary lacks " + token, "Fetch the file again");
    }
    return id;
  }

  long endId() {
    return end;
  }

  /** Start, tokens, end. */
  long[] encode(String cleaned) {
    List<long[]> parts = new ArrayList<>();
    int n = 2;
    for (Matcher m = words.matcher(cleaned); m.find(); ) {
      long[] part = known.computeIfAbsent(m.group(), this::word);
      parts.add(part);
      n += part.length;
    }
    long[] row = new long[n];
    row[0] = start;
    int at = 1;
    for (long[] part : parts) {
      System.arraycopy(part, 0, row, at, part.length);
      at += part.length;
    }
    row[at] = end;
    return row;
  }

  private long[] word(String word) {
    Long whole = special.get(word);
    if (whole != null) return new long[] {whole};
    List<String> parts = new ArrayList<>();
    for (byte b : word.getBytes(StandardCharsets.UTF_8)) parts.add(letters[b & 0xff]);
    parts.add(parts.removeLast() + "</w>");
    while (parts.size() > 1) {
      String best = null;
      int rank = Integer.MAX_VALUE;
      for (int i = 0; i + 1 < parts.size(); i++) {
        String pair = parts.get(i) + " " + parts.get(i + 1);
        @Nullable Integer own = ranks.get(pair);
        if (own != null && own < rank) {
          rank = own;
          best = pair;
        }
      }
      if (best == null) break;
      parts = ClipVocabulary.merged(parts, best);
    }
    return parts.stream().mapToLong(part -> ids.getOrDefault(part, 0)).toArray();
  }
}
