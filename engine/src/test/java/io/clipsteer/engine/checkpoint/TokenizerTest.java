// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.SharedData;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * 2,000 hard strings against Hugging Face's CLIPTokenizerFast, from every form of vocabulary file
 * (bench/peers/make_tokenizer_golden.py).
 */
final class TokenizerTest {
  private static final Path TINY = Path.of("src/test/resources/models/hf-clip-quickgelu");
  private static final Path GOLDEN = Path.of("src/test/resources/tokenizer");
  private static final String OPEN_AI = "bpe_simple_vocab_16e6.txt.gz";
  private static final int CONTEXT = 77;

  /** A string with the ids that belong to it, padding left out. */
  private record Row(String text, long[] ids) {}

  private static List<Row> golden(String name) throws IOException {
    List<Row> rows = new ArrayList<>();
    try (var in = new GZIPInputStream(Files.newInputStream(GOLDEN.resolve(name)));
        var lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        JsonNode node = JsonMapper.shared().readTree(line);
        long[] ids = new long[node.get("ids").size()];
        for (int i = 0; i < ids.length; i++) ids[i] = node.get("ids").get(i).asLong();
        rows.add(new Row(node.get("text").asString(), ids));
      }
    }
    return rows;
  }

  private static Tokenizer open(Path folder) {
    Tokenizer tokenizer = Tokenizer.find(folder, CONTEXT);
    if (tokenizer == null) throw new AssertionError("no tokenizer in " + folder);
    return tokenizer;
  }

  private static Path copy(Path source, Path folder) throws IOException {
    return Files.copy(source, folder.resolve(source.getFileName().toString()));
  }

  /** Every row is the golden ids, then padding with the end id up to 77. */
  private static void assertGolden(Path folder, List<Row> rows) {
    assertEquals(2000, rows.size());
    List<String> wrong = new ArrayList<>();
    int cut = 0;
    try (Tokenizer tokenizer = open(folder)) {
      long[][] actual = tokenizer.encode(rows.stream().map(Row::text).toList());
      for (int i = 0; i < actual.length; i++) {
        Row row = rows.get(i);
        long[] expected = Arrays.copyOf(row.ids(), CONTEXT);
        Arrays.fill(expected, row.ids().length, CONTEXT, tokenizer.endId());
        if (row.ids().length == CONTEXT) cut++;
        if (!Arrays.equals(expected, actual[i])) {
          wrong.add(
              JsonMapper.shared().writeValueAsString(row.text()) + Arrays.toString(actual[i]));
        }
      }
    }
    assertEquals(List.of(), wrong, () -> wrong.size() + " rows differ");
    assertTrue(cut > 20, "only " + cut + " rows test truncation");
  }

  @Test
  void tokenizerJson() throws IOException {
    assertGolden(TINY, golden("golden-tiny.jsonl.gz"));
  }

  @Test
  void vocabularyAndMergesAlone(@TempDir Path folder) throws IOException {
    copy(TINY.resolve("vocab.json"), folder);
    copy(TINY.resolve("merges.txt"), folder);
    assertGolden(folder, golden("golden-tiny.jsonl.gz"));
  }

  @Test
  void openAiMergesAlone(@TempDir Path folder) throws IOException {
    copy(SharedData.require("words/" + OPEN_AI), folder);
    assertGolden(folder, golden("golden-clip.jsonl.gz"));
    try (Tokenizer tokenizer = open(folder)) {
      assertEquals(49407, tokenizer.endId());
      // The well-known ids of OpenAI's own example.
      long[] diagram = tokenizer.encode(List.of("a diagram")).clone()[0];
      assertArrayEquals(new long[] {49406, 320, 22697, 49407}, Arrays.copyOf(diagram, 4));
    }
  }

  /** open_clip's SimpleTokenizer: its cleaning, its special tokens, padding with 0. */
  @Test
  void openClipsOwnRules(@TempDir Path folder) throws IOException {
    copy(SharedData.require("words/" + OPEN_AI), folder);
    List<Row> rows = golden("golden-open-clip.jsonl.gz");
    assertEquals(2000, rows.size());
    List<String> wrong = new ArrayList<>();
    try (Tokenizer tokenizer = Tokenizer.find(folder, CONTEXT, Tokenizer.Rules.OPEN_CLIP)) {
      if (tokenizer == null) throw new AssertionError("no tokenizer");
      long[][] actual = tokenizer.encode(rows.stream().map(Row::text).toList());
      for (int i = 0; i < actual.length; i++) {
        // Python's regex knows Unicode 17, Java Unicode 16: U+0C5C is a letter since.
        boolean later = rows.get(i).text().indexOf(0x0c5c) >= 0;
        if (!later && !Arrays.equals(Arrays.copyOf(rows.get(i).ids(), CONTEXT), actual[i])) {
          wrong.add(JsonMapper.shared().writeValueAsString(rows.get(i).text()));
        }
      }
    }
    assertEquals(List.of(), wrong, () -> wrong.size() + " rows differ");
  }

  /** Every file of a vocabulary gives the same ids by open_clip's rules, hand-counted padding. */
  @Test
  void openClipsRulesFromEveryFile(@TempDir Path folder) throws IOException {
    List<String> texts = List.of("a photo of a dog’s &amp; cat", "<|endoftext|>", "<end_of_text>");
    Path pairs = Files.createDirectory(folder.resolve("pairs"));
    copy(TINY.resolve("vocab.json"), pairs);
    copy(TINY.resolve("merges.txt"), pairs);
    List<long[][]> ids = new ArrayList<>();
    for (Path source : List.of(TINY, pairs)) {
      for (var rules : List.of(Tokenizer.Rules.OPEN_CLIP, Tokenizer.Rules.OPENAI)) {
        try (Tokenizer tokenizer = Tokenizer.find(source, CONTEXT, rules)) {
          if (tokenizer == null) throw new AssertionError("no tokenizer");
          ids.add(tokenizer.encode(texts));
        }
      }
    }
    assertTrue(Arrays.deepEquals(ids.get(0), ids.get(2)));
    assertTrue(Arrays.deepEquals(ids.get(1), ids.get(3)));
    assertArrayEquals(ids.get(0)[0], ids.get(1)[0]);
    assertEquals(0, ids.get(0)[0][CONTEXT - 1], "padding");
    // Each library knows the special token by its own name only.
    assertArrayEquals(new long[] {638, 639, 639, 0}, Arrays.copyOf(ids.get(0)[2], 4));
    assertArrayEquals(new long[] {638, 639, 639, 0}, Arrays.copyOf(ids.get(1)[1], 4));
    assertTrue(ids.get(0)[1][1] < 638 && ids.get(1)[2][1] < 638);
    try (Tokenizer tokenizer = open(TINY)) {
      long[] own = tokenizer.encode(List.of("a photo of a dog's & cat")).clone()[0];
      for (int i = 0; own[i] != 639; i++) assertEquals(own[i], ids.get(0)[0][i]);
    }
  }

  @Test
  void everyRowHasTheContextsLengthAndItsEndToken() {
    for (int context : new int[] {3, 16, CONTEXT}) {
      try (Tokenizer tokenizer = Tokenizer.find(TINY, context)) {
        if (tokenizer == null) throw new AssertionError();
        assertEquals(context, tokenizer.context());
        long[][] rows = tokenizer.encode(List.of("", "dog", "a photo of a dog ".repeat(60)));
        for (long[] row : rows) {
          assertEquals(context, row.length);
          assertEquals(tokenizer.endId(), row[context - 1]);
          assertEquals(638, row[0]);
        }
        assertEquals(tokenizer.endId(), rows[0][1]);
        assertFalse(Arrays.stream(rows[2]).limit(context - 1).anyMatch(id -> id == 639));
      }
    }
  }

  @Test
  void noTextsGiveNoRows() {
    try (Tokenizer tokenizer = open(TINY)) {
      assertEquals(0, tokenizer.encode(List.of()).length);
    }
  }

  @Test
  void aFolderWithoutTokenizerHasNone(@TempDir Path folder) throws IOException {
    assertNull(Tokenizer.find(folder, CONTEXT));
    copy(TINY.resolve("vocab.json"), folder);
    assertNull(Tokenizer.find(folder, CONTEXT), "a vocabulary without merges");
  }

  private static void refused(Path folder, String file, String part) {
    InputException e =
        assertThrows(
            InputException.class,
            () -> {
              Tokenizer tokenizer = Tokenizer.find(folder, CONTEXT);
              if (tokenizer != null) tokenizer.close();
            },
            file + " should be refused for " + part);
    String message = String.valueOf(e.getMessage());
    assertEquals(1, message.lines().count(), message);
    assertTrue(message.contains(file), message);
    assertTrue(message.contains(part), message);
    assertTrue(message.length() < 700, message);
  }

  private static void damaged(Path folder, String file, String content, String part)
      throws IOException {
    Files.writeString(folder.resolve(file), content);
    refused(folder, file, part);
  }

  @Test
  void damagedTokenizerJson(@TempDir Path folder) throws IOException {
    String good = Files.readString(TINY.resolve("tokenizer.json"));
    String file = "tokenizer.json";
    damaged(folder, file, "", "not a tokenizer");
    damaged(folder, file, "[1, 2]", "not a tokenizer");
    damaged(folder, file, "{}", "not a tokenizer");
    damaged(folder, file, good.substring(0, good.length() / 2), "not a tokenizer");
    damaged(folder, file, good.replace("\"BPE\"", "\"Magic\""), "not a tokenizer");
    damaged(folder, file, "\u0000\u0001\u0002 binary", "not a tokenizer");
    String bare =
        good.replaceFirst("(?s)\"post_processor\": \\{.*?\\},\\s*\"decoder\"", "\"decoder\"");
    assertFalse(bare.equals(good));
    damaged(folder, file, bare, "an empty text gives 0 tokens");
  }

  @Test
  void damagedVocabulary(@TempDir Path folder) throws IOException {
    String vocabulary = Files.readString(TINY.resolve("vocab.json"));
    String merges = Files.readString(TINY.resolve("merges.txt"));
    Files.writeString(folder.resolve("merges.txt"), merges);
    damaged(folder, "vocab.json", "{\"a\": ", "cut off");
    damaged(folder, "vocab.json", "null", "vocab.json");
    damaged(folder, "vocab.json", "[]", "vocab.json");
    damaged(folder, "vocab.json", "{\"a\": 1}", "<|startoftext|>");
    damaged(
        folder,
        "vocab.json",
        vocabulary.replaceFirst(": 5,", ": \"five\","),
        "not what belongs there");
    damaged(folder, "vocab.json", vocabulary.replaceFirst(": 5,", ": null,"), "vocab.json");
    damaged(folder, "vocab.json", vocabulary.replaceFirst(": 5,", ": -5,"), "vocab.json");
    Files.writeString(folder.resolve("vocab.json"), vocabulary);
    damaged(folder, "merges.txt", merges + "one two three\n", "is not a pair");
    // A merge whose tokens the vocabulary does not know.
    Files.writeString(folder.resolve("merges.txt"), merges + "nosuch token\n");
    refused(folder, "vocab.json", "not a tokenizer");
  }

  @Test
  void damagedOpenAiMerges(@TempDir Path folder) throws IOException {
    damaged(folder, OPEN_AI, "plain text, no gzip", "cannot be read");
    byte[] whole = new byte[0];
    try (var out = new java.io.ByteArrayOutputStream();
        var zip = new java.util.zip.GZIPOutputStream(out)) {
      zip.write("\"bpe_simple\nt h\n".getBytes(StandardCharsets.UTF_8));
      zip.finish();
      whole = out.toByteArray();
    }
    Files.write(folder.resolve(OPEN_AI), Arrays.copyOf(whole, whole.length - 9));
    refused(folder, OPEN_AI, "cannot be read");
  }

  /** Every trained word is one token; other text still has a code, and none is the unknown one. */
  @Test
  void aTrainedTokenizerKnowsItsWords(@TempDir Path folder) {
    Map<String, Long> words =
        Map.of("water", 50L, "waterbird", 20L, "bird", 30L, "a", 500L, "landbird", 20L, "on", 9L);
    int size = Tokenizer.train(folder, words, 12);
    try (Tokenizer tokenizer = Tokenizer.find(folder, 12)) {
      if (tokenizer == null) throw new AssertionError("no tokenizer");
      assertEquals(size - 1, tokenizer.endId());
      long[][] rows = tokenizer.encode(List.of("a Waterbird on water", "", "xylophone 7!"));
      assertEquals(size - 2, rows[0][0]);
      assertEquals(size - 1, rows[0][5], Arrays.toString(rows[0]));
      assertEquals(4, Arrays.stream(rows[0]).limit(5).skip(1).distinct().count());
      assertEquals(size - 1, rows[1][1]);
      // A word nobody trained is spelt out: more tokens, none of them special.
      for (int i = 1; i < 11; i++) assertTrue(rows[2][i] < size - 2, Arrays.toString(rows[2]));
    }
  }

  @Test
  void trainingDoesNotDependOnTheOrderOfWords(@TempDir Path folder) throws IOException {
    Map<String, Long> forwards = new LinkedHashMap<>();
    Map<String, Long> backwards = new LinkedHashMap<>();
    List<String> words = List.of("cat", "cap", "tap", "pat", "act", "at");
    for (int i = 0; i < words.size(); i++) {
      forwards.put(words.get(i), 3L);
      backwards.put(words.get(words.size() - 1 - i), 3L);
    }
    Tokenizer.train(folder.resolve("a"), forwards, 8);
    Tokenizer.train(folder.resolve("b"), backwards, 8);
    assertEquals(
        Files.readString(folder.resolve("a/tokenizer.json")),
        Files.readString(folder.resolve("b/tokenizer.json")));
    assertThrows(
        IllegalArgumentException.class,
        () -> Tokenizer.train(folder.resolve("c"), Map.of("Two words", 1L), 8));
  }
}
