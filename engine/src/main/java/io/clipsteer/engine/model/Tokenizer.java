// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import io.clipsteer.data.AtomicFiles;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * CLIP's byte-pair tokenizer. Text becomes {@code <|startoftext|>} tokens {@code <|endoftext|>},
 * cut to the context so that the end token stays, and padded.
 */
public final class Tokenizer implements AutoCloseable {
  private static final String WORD_END = "</w>";

  private final HuggingFaceTokenizer tokenizer;
  private final byte[] json;
  private final int context;
  private final long endId;
  private final long padId;

  private Tokenizer(
      HuggingFaceTokenizer tokenizer, byte[] json, int context, long endId, long padId) {
    this.tokenizer = tokenizer;
    this.json = json;
    this.context = context;
    this.endId = endId;
    this.padId = padId;
  }

  /**
   * Reads the tokenizer of a checkpoint's folder: {@code tokenizer.json}, or {@code vocab.json}
   * with {@code merges.txt}, or OpenAI's {@code bpe_simple_vocab_16e6.txt.gz}.
   *
   * @param context length of every row, in tokens
   * @return null when the folder has none of them
   */
  public static @Nullable Tokenizer find(Path folder, int context) {
    Path ready = folder.resolve("tokenizer.json");
    if (Files.isRegularFile(ready)) return of(read(ready), ready, context);
    Path vocabulary = folder.resolve("vocab.json");
    Path merges = folder.resolve("merges.txt");
    if (Files.isRegularFile(vocabulary) && Files.isRegularFile(merges)) {
      return of(ClipVocabulary.read(vocabulary, merges).toTokenizerJson(), vocabulary, context);
    }
    Path openAi = folder.resolve("bpe_simple_vocab_16e6.txt.gz");
    if (Files.isRegularFile(openAi)) {
      return of(ClipVocabulary.readOpenAi(openAi).toTokenizerJson(), openAi, context);
    }
    return null;
  }

  /**
   * Trains a tokenizer of CLIP's kind in which every given word is one token, and any other text
   * still has a code, and writes {@code tokenizer.json} and {@code tokenizer_config.json}.
   *
   * @param counts how often each word occurs: lower-case letters a to z
   * @param context longest text in tokens, for the configuration
   * @return number of token ids; the last is the end token's
   */
  public static int train(Path folder, Map<String, Long> counts, int context) {
    ClipVocabulary vocabulary = ClipVocabulary.train(counts);
    AtomicFiles.write(folder.resolve("tokenizer.json"), vocabulary.toTokenizerJson());
    AtomicFiles.writeJson(folder.resolve("tokenizer_config.json"), ClipVocabulary.config(context));
    return vocabulary.size();
  }

  private static byte[] read(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Check the file", e);
    }
  }

  private static Tokenizer of(byte[] json, Path where, int context) {
    HuggingFaceTokenizer tokenizer;
    try {
      // No padding and truncation of the library's own: the rows are made below, in one place.
      Map<String, String> options = new LinkedHashMap<>();
      options.put("addSpecialTokens", "true");
      options.put("truncation", "false");
      options.put("padding", "false");
      tokenizer = HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(json), options);
    } catch (IOException | RuntimeException e) {
      throw new InputException(
          where, "not a tokenizer: " + firstLine(e), "Fetch the file again", e);
    }
    long[] empty = tokenizer.encode("").getIds();
    if (empty.length != 2) {
      throw new InputException(
          where,
          "an empty text gives " + empty.length + " tokens instead of a start and an end token",
          "This is not CLIP's tokenizer");
    }
    return new Tokenizer(tokenizer, json, context, empty[1], empty[1]);
  }

  private static String firstLine(Exception e) {
    String message = e.getMessage();
    return message == null ? e.getClass().getSimpleName() : message.lines().findFirst().orElse("");
  }

  /** Length of every row, in tokens. */
  public int context() {
    return context;
  }

  /** Id of the end token. */
  public long endId() {
    return endId;
  }

  /** One row of {@link #context} ids a text: start, tokens, end, padding with the end id. */
  public long[][] encode(List<String> texts) {
    long[][] rows = new long[texts.size()][];
    for (int i = 0; i < rows.length; i++) rows[i] = row(tokenizer.encode(texts.get(i)));
    return rows;
  }

  private long[] row(Encoding encoding) {
    long[] ids = encoding.getIds();
    long[] row = new long[context];
    int n = Math.min(ids.length, context);
    System.arraycopy(ids, 0, row, 0, n);
    for (int i = n; i < context; i++) row[i] = padId;
    if (ids.length > context) row[context - 1] = endId;
    return row;
  }

  /**
   * The vocabulary's whole words: tokens of two or more letters a to z that end a word, in the
   * order of their ids, which is that of their frequency.
   */
  public List<String> words() {
    JsonNode vocabulary = JsonMapper.shared().readTree(json).path("model").path("vocab");
    List<Map.Entry<String, JsonNode>> tokens = new ArrayList<>(vocabulary.properties());
    tokens.sort(Comparator.comparingLong(token -> token.getValue().asLong(0)));
    return tokens.stream()
        .map(Map.Entry::getKey)
        .filter(token -> token.matches("[a-z]{2,}" + WORD_END))
        .map(token -> token.substring(0, token.length() - WORD_END.length()))
        .toList();
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
