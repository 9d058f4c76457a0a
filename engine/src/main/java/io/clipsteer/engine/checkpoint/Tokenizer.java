// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
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
  /** By whose rules a cleaned text becomes ids. */
  enum Splitting {
    /** Hugging Face's tokenizer, by its own description. */
    HUGGING_FACE,
    /** open_clip's SimpleTokenizer, whose special tokens are called otherwise in texts. */
    OPEN_CLIP,
    /** OpenAI's. */
    OPENAI
  }

  /** How a checkpoint's own library makes ids of a text. */
  record Rules(Splitting split, TextCleaning cleaning) {
    static final Rules HUGGING_FACE = new Rules(Splitting.HUGGING_FACE, TextCleaning.NONE);
    static final Rules OPENAI = new Rules(Splitting.OPENAI, TextCleaning.LOWER);
    static final Rules OPEN_CLIP = new Rules(Splitting.OPEN_CLIP, TextCleaning.LOWER);
    static final Rules OPEN_CLIP_BY_HUGGING_FACE =
        new Rules(Splitting.HUGGING_FACE, TextCleaning.WHITESPACE);
  }

  private static final String WORD_END = "</w>";

  /** What open_clip and OpenAI fill rows with, whatever the vocabulary. */
  private static final long OPEN_CLIP_PAD = 0;

  private final @Nullable HuggingFaceTokenizer tokenizer;
  private final @Nullable SimpleBpe simple;
  private final TextCleaning cleaning;
  private final byte[] json;
  private final int context;
  private final long endId;
  private final long padId;

  private Tokenizer(HuggingFaceTokenizer tokenizer, TextCleaning cleaning, byte[] json, Row row) {
    this.tokenizer = tokenizer;
    this.simple = null;
    this.cleaning = cleaning;
    this.json = json;
    this.context = row.context();
    this.endId = row.endId();
    this.padId = row.padId();
  }

  private Tokenizer(SimpleBpe simple, TextCleaning cleaning, byte[] json, Row row) {
    this.tokenizer = null;
    this.simple = simple;
    this.cleaning = cleaning;
    this.json = json;
    this.context = row.context();
    this.endId = row.endId();
    this.padId = row.padId();
  }

  /** What every row of ids has. */
  private record Row(int context, long endId, long padId) {}

  /**
   * Reads the tokenizer of a Hugging Face folder: {@code tokenizer.json}, or {@code vocab.json}
   * with {@code merges.txt}, or OpenAI's {@code bpe_simple_vocab_16e6.txt.gz}.
   *
   * @param context length of every row, in tokens
   * @return null when the folder has none of them
   */
  public static @Nullable Tokenizer find(Path folder, int context) {
    return find(folder, context, Rules.HUGGING_FACE);
  }

  /** The same, by the rules of the library whose checkpoint it is. */
  static @Nullable Tokenizer find(Path folder, int context, Rules rules) {
    Path ready = folder.resolve("tokenizer.json");
    Path vocabulary = folder.resolve("vocab.json");
    Path merges = folder.resolve("merges.txt");
    Path openAi = folder.resolve("bpe_simple_vocab_16e6.txt.gz");
    if (Files.isRegularFile(ready)) {
      byte[] json = read(ready);
      return rules.split() == Splitting.HUGGING_FACE
          ? of(json, ready, context, rules.cleaning())
          : simple(ClipVocabulary.readTokenizerJson(json, ready), ready, context, rules);
    }
    if (Files.isRegularFile(vocabulary) && Files.isRegularFile(merges)) {
      return of(ClipVocabulary.read(vocabulary, merges), vocabulary, context, rules);
    }
    if (Files.isRegularFile(openAi)) {
      return of(ClipVocabulary.readOpenAi(openAi), openAi, context, rules);
    }
    return null;
  }

  private static Tokenizer of(ClipVocabulary vocabulary, Path where, int context, Rules rules) {
    return rules.split() == Splitting.HUGGING_FACE
        ? of(vocabulary.toTokenizerJson(), where, context, rules.cleaning())
        : simple(vocabulary, where, context, rules);
  }

  private static Tokenizer simple(ClipVocabulary vocabulary, Path where, int context, Rules rules) {
    SimpleBpe simple = new SimpleBpe(vocabulary, rules.split() == Splitting.OPENAI, where);
    Row row = new Row(context, simple.endId(), OPEN_CLIP_PAD);
    return new Tokenizer(simple, rules.cleaning(), vocabulary.toTokenizerJson(), row);
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

  private static Tokenizer of(byte[] json, Path where, int context, TextCleaning cleaning) {
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
    JsonNode dropout = JsonMapper.shared().readTree(json).path("model").path("dropout");
    if (dropout.isNumber() && dropout.asDouble() != 0) {
      throw new InputException(
          where,
          "its model.dropout is " + dropout + ": it splits the same text differently each time",
          "Set it to null");
    }
    long[] empty = tokenizer.encode("").getIds();
    if (empty.length != 2) {
      throw new InputException(
          where,
          "an empty text gives " + empty.length + " tokens instead of a start and an end token",
          "This is not CLIP's tokenizer");
    }
    // Hugging Face's CLIP pads with the end token; behind it a causal tower does not look.
    long pad = cleaning == TextCleaning.NONE ? empty[1] : padId(tokenizer, where);
    return new Tokenizer(tokenizer, cleaning, json, new Row(context, empty[1], pad));
  }

  /** The padding of a tokenizer that open_clip takes from Hugging Face, whose towers may see it. */
  private static long padId(HuggingFaceTokenizer tokenizer, Path where) {
    Path file = where.resolveSibling("tokenizer_config.json");
    JsonNode pad = null;
    if (Files.isRegularFile(file)) {
      pad = JsonMapper.shared().readTree(read(file)).path("pad_token");
      if (pad.isObject()) pad = pad.path("content");
    }
    if (pad == null || !pad.isString()) {
      throw new InputException(
          file, "names no pad_token, and open_clip pads with it", "Fetch the whole checkpoint");
    }
    long[] ids = tokenizer.encode(pad.asString(), false, false).getIds();
    if (ids.length != 1) {
      throw new InputException(file, "pad_token is no single token", "Fetch the file again");
    }
    return ids[0];
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

  /**
   * One row of {@link #context} ids a text: start, tokens, end, padding, as the checkpoint's own
   * library makes it, which cleans the text before.
   */
  public long[][] encode(List<String> texts) {
    long[][] rows = new long[texts.size()][];
    for (int i = 0; i < rows.length; i++) rows[i] = row(ids(cleaning.clean(texts.get(i))));
    return rows;
  }

  private long[] ids(String text) {
    return simple != null ? simple.encode(text) : require(tokenizer).encode(text).getIds();
  }

  private static HuggingFaceTokenizer require(@Nullable HuggingFaceTokenizer tokenizer) {
    if (tokenizer == null) throw new IllegalStateException("no tokenizer");
    return tokenizer;
  }

  private long[] row(long[] ids) {
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
    if (tokenizer != null) tokenizer.close();
  }
}
