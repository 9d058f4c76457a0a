// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** 6,000 texts as ftfy 6.3.1 and open_clip clean them (bench/peers/make_text_cleaning.py). */
final class TextCleaningTest {
  private static final Path GOLDEN =
      Path.of("src/test/resources/tokenizer/golden-cleaning.jsonl.gz");

  private static List<JsonNode> rows() throws IOException {
    List<JsonNode> rows = new ArrayList<>();
    try (var in = new GZIPInputStream(Files.newInputStream(GOLDEN));
        var lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        rows.add(JsonMapper.shared().readTree(line));
      }
    }
    return rows;
  }

  @Test
  void everyTextIsCleanedAsTheLibraryDoes() throws IOException {
    List<JsonNode> rows = rows();
    assertEquals(6000, rows.size());
    List<String> wrong = new ArrayList<>();
    int changed = 0;
    for (JsonNode row : rows) {
      String text = row.get("text").asString();
      String fixed = row.get("fixed").asString();
      if (!fixed.equals(text)) changed++;
      if (!TextCleaning.fix(text).equals(fixed)
          || !TextCleaning.LOWER.clean(text).equals(row.get("lower").asString())
          || !TextCleaning.CANONICALIZE.clean(text).equals(row.get("canonical").asString())) {
        wrong.add(row + " gave " + JsonMapper.shared().writeValueAsString(TextCleaning.fix(text)));
      }
    }
    assertTrue(changed > 4000, changed + " texts that cleaning changes");
    assertEquals(List.of(), wrong.stream().limit(10).toList(), () -> wrong.size() + " differ");
  }

  /** Hand-checked: what a user writes. */
  @Test
  void namesOfClasses() {
    assertEquals("baker's shop", TextCleaning.LOWER.clean("Baker’s  shop "));
    assertEquals("salt & pepper", TextCleaning.LOWER.clean("salt &amp; pepper"));
    assertEquals("Salt & Pepper", TextCleaning.WHITESPACE.clean("Salt &amp;amp; Pepper"));
    assertEquals("salt pepper", TextCleaning.CANONICALIZE.clean("Salt &amp; Pepper!"));
    assertEquals("café", TextCleaning.LOWER.clean("cafÃ©"));
    assertEquals(" as it is &amp; ", TextCleaning.NONE.clean(" as it is &amp; "));
  }
}
