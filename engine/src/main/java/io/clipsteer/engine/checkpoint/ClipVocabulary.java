// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * CLIP's byte-pair vocabulary in its older files, turned into the one form the tokenizer reads.
 *
 * @param ids token to id
 * @param merges pairs in order of rank, each "left right"
 */
record ClipVocabulary(Map<String, Integer> ids, List<String> merges) {
  static final String START = "<|startoftext|>";
  static final String END = "<|endoftext|>";

  /** All of {@code tokenizer.json} but the ids and the model's vocabulary and merges. */
  private static final String TOKENIZER_JSON =
      """
      {"version": "1.0",
       "added_tokens": [
         {"id": START_ID, "content": "<|startoftext|>", "single_word": false, "lstrip": false,
          "rstrip": false, "normalized": false, "special": true},
         {"id": END_ID, "content": "<|endoftext|>", "single_word": false, "lstrip": false,
          "rstrip": false, "normalized": false, "special": true}],
       "normalizer": {"type": "Sequence", "normalizers": [
         {"type": "NFC"},
         {"type": "Replace", "pattern": {"Regex": "\\\\s+"}, "content": " "},
         {"type": "Lowercase"}]},
       "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
         {"type": "Split", "pattern": {"Regex": "<\\\\|startoftext\\\\|>|<\\\\|endoftext\\\\|>|'s|'t|'re|\
      've|'m|'ll|'d|[\\\\p{L}]+|[\\\\p{N}]|[^\\\\s\\\\p{L}\\\\p{N}]+"},
          "behavior": "Removed", "invert": true},
         {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true}]},
       "post_processor": {"type": "RobertaProcessing", "sep": ["<|endoftext|>", END_ID],
         "cls": ["<|startoftext|>", START_ID], "trim_offsets": false, "add_prefix_space": false},
       "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
       "model": {"type": "BPE", "unk_token": "<|endoftext|>", "continuing_subword_prefix": "",
         "end_of_word_suffix": "</w>", "fuse_unk": false}}
      """;

  private static final int OPENAI_MERGES = 49152 - 256 - 2;
  private static final int MAX_UNPACKED = 64 << 20;

  /** Hugging Face's {@code vocab.json} and {@code merges.txt}. */
  static ClipVocabulary read(Path vocabulary, Path merges) {
    try {
      Map<String, Integer> ids =
          JsonMapper.shared()
              .readValue(
                  Files.readAllBytes(vocabulary),
                  new TypeReference<LinkedHashMap<String, Integer>>() {});
      return new ClipVocabulary(
              checkedIds(ids, vocabulary), pairs(Files.readString(merges), merges))
          .checked(vocabulary);
    } catch (JacksonException e) {
      throw new InputException(
          vocabulary, "cannot be read: " + Reasons.of(e), "Fetch the file again", e);
    } catch (IOException e) {
      throw new InputException(
          vocabulary, "cannot be read: " + Reasons.of(e), "Check it and " + merges, e);
    }
  }

  /** The vocabulary that a {@code tokenizer.json} of CLIP's kind describes. */
  static ClipVocabulary readTokenizerJson(byte[] json, Path where) {
    JsonNode model;
    try {
      model = JsonMapper.shared().readTree(json).path("model");
    } catch (JacksonException e) {
      throw new InputException(where, "not a tokenizer: " + Reasons.of(e), "Fetch it again", e);
    }
    boolean clip =
        model.path("type").asString("").equals("BPE")
            && model.path("end_of_word_suffix").asString("").equals("</w>");
    if (!clip || !model.path("vocab").isObject() || !model.path("merges").isArray()) {
      throw new InputException(
          where, "not a tokenizer of CLIP's kind", "Name the one that belongs to the model");
    }
    Map<String, Integer> ids = new LinkedHashMap<>();
    model.path("vocab").properties().forEach(e -> ids.put(e.getKey(), e.getValue().asInt(-1)));
    List<String> merges = new ArrayList<>();
    for (JsonNode merge : model.path("merges")) {
      merges.add(
          merge.isArray() && merge.size() == 2
              ? merge.get(0).asString() + " " + merge.get(1).asString()
              : merge.asString());
    }
    return new ClipVocabulary(checkedIds(ids, where), pairs(String.join("\n", merges), where))
        .checked(where);
  }

  /** OpenAI's {@code bpe_simple_vocab_16e6.txt.gz}: merges alone; the ids follow from them. */
  static ClipVocabulary readOpenAi(Path file) {
    String text;
    try (InputStream in = new GZIPInputStream(new ByteArrayInputStream(Files.readAllBytes(file)))) {
      text = new String(in.readNBytes(MAX_UNPACKED), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Fetch it again", e);
    }
    List<String> merges = pairs(text, file);
    merges = merges.subList(0, Math.min(OPENAI_MERGES, merges.size()));
    Map<String, Integer> ids = new LinkedHashMap<>();
    for (String letter : byteLetters()) ids.put(letter, ids.size());
    for (String letter : byteLetters()) ids.put(letter + "</w>", ids.size());
    for (String merge : merges) ids.put(merge.replace(" ", ""), ids.size());
    ids.put(START, ids.size());
    ids.put(END, ids.size());
    return new ClipVocabulary(ids, merges);
  }

  /**
   * Byte-pair encoding (Sennrich et al. 2016) trained on lower-case words until each is one token:
   * the most frequent pair is merged first, of equals the first in alphabetical order.
   *
   * @param counts how often each word occurs
   */
  static ClipVocabulary train(Map<String, Long> counts) {
    Map<List<String>, Long> words = new TreeMap<>(Comparator.comparing(List::toString));
    counts.forEach((word, count) -> words.merge(lettersOf(word), count, Long::sum));
    List<String> merges = new ArrayList<>();
    Map<String, Integer> ids = new LinkedHashMap<>();
    for (String letter : byteLetters()) ids.put(letter, ids.size());
    for (String letter : byteLetters()) ids.put(letter + "</w>", ids.size());
    while (true) {
      Map<String, Long> pairs = new TreeMap<>();
      words.forEach(
          (parts, count) -> {
            for (int i = 0; i + 1 < parts.size(); i++) {
              pairs.merge(parts.get(i) + " " + parts.get(i + 1), count, Long::sum);
            }
          });
      if (pairs.isEmpty()) break;
      long most = Collections.max(pairs.values());
      String merge =
          pairs.entrySet().stream()
              .filter(pair -> pair.getValue() == most)
              .findFirst()
              .orElseThrow()
              .getKey();
      merges.add(merge);
      ids.putIfAbsent(merge.replace(" ", ""), ids.size());
      Map<List<String>, Long> next = new TreeMap<>(Comparator.comparing(List::toString));
      words.forEach((parts, count) -> next.merge(merged(parts, merge), count, Long::sum));
      words.clear();
      words.putAll(next);
    }
    ids.put(START, ids.size());
    ids.put(END, ids.size());
    return new ClipVocabulary(ids, merges);
  }

  private static List<String> lettersOf(String word) {
    List<String> letters = new ArrayList<>();
    for (int i = 0; i < word.length(); i++) {
      char c = word.charAt(i);
      if (c < 'a' || c > 'z') throw new IllegalArgumentException("not a lower-case word: " + word);
      letters.add(i + 1 < word.length() ? String.valueOf(c) : c + "</w>");
    }
    return letters;
  }

  static List<String> merged(List<String> parts, String pair) {
    List<String> out = new ArrayList<>();
    for (int i = 0; i < parts.size(); i++) {
      if (i + 1 < parts.size() && (parts.get(i) + " " + parts.get(i + 1)).equals(pair)) {
        out.add(parts.get(i) + parts.get(++i));
      } else {
        out.add(parts.get(i));
      }
    }
    return out;
  }

  private static List<String> pairs(String text, Path where) {
    List<String> merges = new ArrayList<>();
    List<String> lines = text.lines().toList();
    for (int i = 0; i < lines.size(); i++) {
      String line = lines.get(i).strip();
      boolean heading = i == 0 && (line.startsWith("#version") || line.startsWith("\"bpe_simple"));
      if (heading || line.isEmpty()) continue;
      if (line.split(" ").length != 2) {
        throw new InputException(
            where, "line " + (i + 1) + " is not a pair of tokens", "Fetch the file again");
      }
      merges.add(line);
    }
    return merges;
  }

  private static Map<String, Integer> checkedIds(@Nullable Map<String, Integer> ids, Path where) {
    if (ids == null) throw new InputException(where, "not a JSON object", "Fetch the file again");
    for (var entry : ids.entrySet()) {
      @Nullable Integer id = entry.getValue();
      if (id == null || id < 0) {
        throw new InputException(
            where, "the id of \"" + entry.getKey() + "\" is " + id, "Fetch the file again");
      }
    }
    return ids;
  }

  private ClipVocabulary checked(Path where) {
    if (!ids.containsKey(START) || !ids.containsKey(END)) {
      throw new InputException(
          where, "has no " + START + " and " + END, "This is not CLIP's vocabulary");
    }
    return this;
  }

  /** The 256 bytes in OpenAI's order: those that can be printed come first. */
  static List<Integer> byteOrder() {
    List<Integer> order = new ArrayList<>();
    for (int b = '!'; b <= '~'; b++) order.add(b);
    for (int b = 0xa1; b <= 0xac; b++) order.add(b);
    for (int b = 0xae; b <= 0xff; b++) order.add(b);
    for (int b = 0; b < 256; b++) if (b <= ' ' || b > '~' && b < 0xa1 || b == 0xad) order.add(b);
    return order;
  }

  /** The same bytes as letters (GPT-2's byte alphabet). */
  static List<String> byteLetters() {
    List<String> letters = new ArrayList<>();
    int others = 256;
    for (int b : byteOrder()) {
      boolean printed = b > ' ' && b <= '~' || b >= 0xa1 && b != 0xad;
      letters.add(Character.toString(printed ? b : others++));
    }
    return letters;
  }

  /** The {@code tokenizer.json} of Hugging Face's CLIP with this vocabulary. */
  byte[] toTokenizerJson() {
    String start = ids.getOrDefault(START, -1).toString();
    String end = ids.getOrDefault(END, -1).toString();
    String filled = TOKENIZER_JSON.replace("START_ID", start).replace("END_ID", end);
    JsonNode json = JsonMapper.shared().readTree(filled);
    ObjectNode model = (ObjectNode) json.get("model");
    model.set("vocab", JsonMapper.shared().valueToTree(ids));
    model.set("merges", JsonMapper.shared().valueToTree(merges));
    return JsonMapper.shared().writeValueAsBytes(json);
  }

  /** Number of ids. */
  int size() {
    return ids.size();
  }

  /** The {@code tokenizer_config.json} that Hugging Face's library reads beside it. */
  static Map<String, Object> config(int context) {
    Map<String, Object> config = new LinkedHashMap<>();
    config.put("tokenizer_class", "CLIPTokenizer");
    config.put("bos_token", START);
    config.put("eos_token", END);
    config.put("pad_token", END);
    config.put("unk_token", END);
    config.put("model_max_length", context);
    return config;
  }
}
