// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.checkpoint.Tokenizer.Rules;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * 2,000 hard strings through small tokenizers of the kinds of SigLIP 1 and 2, MetaCLIP 2 and CLIPA,
 * against transformers and open_clip (bench/peers/make_recent_tokenizers.py).
 */
final class RecentTokenizersTest {
  private static final Path GOLDEN = Path.of("src/test/resources/tokenizer");
  private static final Path RECENT = GOLDEN.resolve("recent");

  private static final Pattern MARK = Pattern.compile("\\p{M}");

  @TempDir private Path temp;

  private static List<JsonNode> lines(Path file) throws IOException {
    List<JsonNode> lines = new ArrayList<>();
    try (var in = new GZIPInputStream(Files.newInputStream(file));
        var reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        lines.add(JsonMapper.shared().readTree(line));
      }
    }
    return lines;
  }

  private static Rules rules(String name) {
    Rules openClip = Rules.OPEN_CLIP_BY_HUGGING_FACE;
    return switch (name) {
      case "hf-siglip" -> Rules.PADDED.cleaning(TextCleaning.SIGLIP);
      case "hf-siglip2" -> Rules.PADDED.lowering();
      case "hf-xlm-v" -> Rules.PADDED;
      case "open-clip-xlm-v" -> openClip;
      case "open-clip-clipa" -> openClip.stripping(true);
      default -> openClip.cleaning(TextCleaning.CANONICALIZE);
    };
  }

  @ParameterizedTest
  @CsvSource({
    "hf-siglip, 64, 1",
    "open-clip-siglip, 64, 1",
    "hf-siglip2, 64, 0",
    "open-clip-siglip2, 64, 0",
    "hf-xlm-v, 77, 1",
    "open-clip-xlm-v, 77, 1",
    "open-clip-clipa, 32, 0"
  })
  void idsAreTheLibrarys(String name, int context, long pad) throws IOException {
    List<JsonNode> texts = lines(GOLDEN.resolve("golden-tiny.jsonl.gz"));
    List<JsonNode> rows = lines(RECENT.resolve(name).resolve("golden.jsonl.gz"));
    assertEquals(2000, rows.size());
    List<String> wrong = new ArrayList<>();
    int marks = 0;
    try (Tokenizer tokenizer = Tokenizer.find(RECENT.resolve(name), context, rules(name))) {
      assertNotNull(tokenizer);
      for (int i = 0; i < rows.size(); i++) {
        String text = texts.get(i).get("text").asString();
        JsonNode ids = rows.get(i).get("ids");
        long[] expected = new long[context];
        Arrays.fill(expected, pad);
        for (int j = 0; j < ids.size(); j++) expected[j] = ids.get(j).asLong();
        long[] own = tokenizer.encode(List.of(text))[0];
        if (name.equals("hf-siglip") && !Arrays.equals(expected, own)) {
          // SentencePiece normalises by longest match, tokenizer.json by grapheme: they differ on
          // marks that combine with the character before, here in 9 texts.
          assertTrue(MARK.matcher(text).find(), text);
          marks++;
        } else if (!Arrays.equals(expected, own)) {
          wrong.add(text + "\n" + Arrays.toString(expected) + "\n" + Arrays.toString(own));
        }
      }
    }
    assertEquals(name.equals("hf-siglip") ? 9 : 0, marks);
    assertEquals(List.of(), wrong.stream().limit(4).toList(), () -> wrong.size() + " differ");
  }

  /** A configuration that contradicts the tokenizer is refused. */
  @ParameterizedTest
  @CsvSource({
    "\"eos_token\": \"<eos>\", \"eos_token\": \"<bos>\", do not end",
    "\"pad_token\": \"<pad>\", \"pad_token\": \"<pad\", no single token",
    "\"pad_token\": \"<pad>\", \"x\": 1, no pad_token",
    "\"backend\": \"tokenizers\", \"add_bos_token\": true, add_bos_token",
    "\"padding_side\": \"right\", \"padding_side\": \"left\", padding_side"
  })
  void contradictionsAreRefused(String from, String to, String why) throws IOException {
    Path source = RECENT.resolve("hf-siglip2");
    Files.copy(source.resolve("tokenizer.json"), temp.resolve("tokenizer.json"));
    String config = Files.readString(source.resolve("tokenizer_config.json"));
    assertTrue(config.contains(from));
    Files.writeString(temp.resolve("tokenizer_config.json"), config.replace(from, to));
    InputException e =
        assertThrows(InputException.class, () -> Tokenizer.find(temp, 64, Rules.PADDED.lowering()));
    assertTrue(String.valueOf(e.getMessage()).contains(why), e.getMessage());
  }

  /** Lower case is made outside special tokens, whether the file says so or not. */
  @Test
  void bothGenerationsOfFilesGiveOneRow() {
    Rules rules = Rules.PADDED.lowering();
    try (Tokenizer made = Tokenizer.find(RECENT.resolve("hf-siglip2"), 64, rules);
        Tokenizer gemma = Tokenizer.find(RECENT.resolve("open-clip-siglip2"), 64, rules)) {
      assertNotNull(made);
      assertNotNull(gemma);
      for (String text : List.of("A Photo of a Dog.", "ΟΔΟΣ", "a <eos> B", "")) {
        assertTrue(
            Arrays.deepEquals(made.encode(List.of(text)), gemma.encode(List.of(text))), text);
      }
      assertTrue(made.words().contains("street"), () -> made.words().toString());
    }
  }
}
