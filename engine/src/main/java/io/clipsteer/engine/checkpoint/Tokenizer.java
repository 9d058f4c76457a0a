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
import java.util.Locale;
import java.util.Map;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * A model's tokenizer: CLIP's byte pairs, or what a {@code tokenizer.json} describes (SigLIP's,
 * XLM-V's, BERT's). Text becomes tokens between a start token, where there is one, and an end
 * token; they are cut to the context so that the end token stays, and padded.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
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

  /**
   * How a checkpoint's own library makes ids of a text.
   *
   * @param named whether the padding is the tokenizer's own; CLIP's of Hugging Face is the end
   *     token
   * @param stripped whether the end token gives way to padding (CLIPA)
   * @param lowered whether letters become lower case outside special tokens (SigLIP 2)
   */
  record Rules(
      Splitting split, TextCleaning cleaning, boolean named, boolean stripped, boolean lowered) {
    static final Rules HUGGING_FACE = of(Splitting.HUGGING_FACE, TextCleaning.NONE, false);
    static final Rules OPENAI = of(Splitting.OPENAI, TextCleaning.LOWER, false);
    static final Rules OPEN_CLIP = of(Splitting.OPEN_CLIP, TextCleaning.LOWER, false);
    static final Rules OPEN_CLIP_BY_HUGGING_FACE =
        of(Splitting.HUGGING_FACE, TextCleaning.WHITESPACE, true);

    /** A tokenizer of Hugging Face's with a padding of its own. */
    static final Rules PADDED = of(Splitting.HUGGING_FACE, TextCleaning.NONE, true);

    private static Rules of(Splitting split, TextCleaning cleaning, boolean named) {
      return new Rules(split, cleaning, named, false, false);
    }

    /** The same with another cleaning. */
    Rules cleaning(TextCleaning other) {
      return new Rules(split, other, named, stripped, lowered);
    }

    /** The same, the end token being stripped or not. */
    Rules stripping(boolean strip) {
      return new Rules(split, cleaning, named, strip, lowered);
    }

    /** The same in lower case. */
    Rules lowering() {
      return new Rules(split, cleaning, named, stripped, true);
    }

    /** For people. */
    @Override
    public String toString() {
      String by =
          switch (split) {
            case HUGGING_FACE -> "tokenizer.json";
            case OPEN_CLIP -> "open_clip's SimpleTokenizer";
            case OPENAI -> "OpenAI's SimpleTokenizer";
          };
      String clean = cleaning.name().toLowerCase(Locale.ROOT) + (lowered ? ", lower case" : "");
      return by + ", cleaning " + clean + (stripped ? ", no end token" : "");
    }
  }

  private static final String WORD_END = "</w>";
  private static final String WORD_BEGIN = "\u2581";

  /** What open_clip and OpenAI fill rows with, whatever the vocabulary. */
  private static final long OPEN_CLIP_PAD = 0;

  private final @Nullable HuggingFaceTokenizer tokenizer;
  private final @Nullable SimpleBpe simple;
  private final Rules rules;
  private final byte[] json;
  private final int context;
  private final long endId;
  private final long padId;

  private Tokenizer(HuggingFaceTokenizer tokenizer, Rules rules, byte[] json, Row row) {
    this.tokenizer = tokenizer;
    this.simple = null;
    this.rules = rules;
    this.json = json;
    this.context = row.context();
    this.endId = row.endId();
    this.padId = row.padId();
  }

  private Tokenizer(SimpleBpe simple, Rules rules, byte[] json, Row row) {
    this.tokenizer = null;
    this.simple = simple;
    this.rules = rules;
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
          ? of(json, ready, context, rules)
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
        ? of(vocabulary.toTokenizerJson(), where, context, rules)
        : simple(vocabulary, where, context, rules);
  }

  private static Tokenizer simple(ClipVocabulary vocabulary, Path where, int context, Rules rules) {
    SimpleBpe simple = new SimpleBpe(vocabulary, rules.split() == Splitting.OPENAI, where);
    Row row = new Row(context, simple.endId(), OPEN_CLIP_PAD);
    return new Tokenizer(simple, rules, vocabulary.toTokenizerJson(), row);
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

  private static Tokenizer of(byte[] stored, Path where, int context, Rules rules) {
    byte[] json = rules.lowered() ? lowered(stored, where) : stored;
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
    if (rules.named()) return named(tokenizer, empty, json, where, context, rules);
    if (empty.length != 2) {
      throw new InputException(
          where,
          "an empty text gives " + empty.length + " tokens instead of a start and an end token",
          "This is not CLIP's tokenizer");
    }
    // Hugging Face's CLIP pads with the end token; behind it a causal tower does not look.
    return new Tokenizer(tokenizer, rules, json, new Row(context, empty[1], empty[1]));
  }

  /** A tokenizer whose padding the tower may see: its configuration must name it. */
  private static Tokenizer named(
      HuggingFaceTokenizer tokenizer,
      long[] empty,
      byte[] json,
      Path where,
      int context,
      Rules rules) {
    SpecialTokens special = SpecialTokens.read(where.resolveSibling("tokenizer_config.json"));
    special.check(tokenizer, empty, where);
    long pad = special.padId(tokenizer);
    long end = empty[empty.length - 1];
    Row row = new Row(context, end, pad);
    return new Tokenizer(tokenizer, rules, json, row);
  }

  /** The description with a normaliser before its own that makes letters lower case. */
  private static byte[] lowered(byte[] stored, Path where) {
    JsonNode root;
    try {
      root = JsonMapper.shared().readTree(stored);
    } catch (JacksonException e) {
      throw new InputException(where, "is no JSON", "Fetch the file again", e);
    }
    if (!(root instanceof ObjectNode object)) return stored;
    JsonNode own = object.path("normalizer");
    ObjectNode first = JsonMapper.shared().createObjectNode().put("type", "Lowercase");
    ObjectNode both = JsonMapper.shared().createObjectNode().put("type", "Sequence");
    both.putArray("normalizers").add(first);
    if (own.isObject()) both.withArray("normalizers").add(own);
    object.set("normalizer", both);
    return JsonMapper.shared().writeValueAsBytes(object);
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
    for (int i = 0; i < rows.length; i++) rows[i] = row(ids(rules.cleaning().clean(texts.get(i))));
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
    for (int i = 0; rules.stripped() && i < context; i++) if (row[i] == endId) row[i] = 0;
    return row;
  }

  /**
   * The vocabulary's whole words: tokens of two or more letters a to z that are a word, by CLIP's
   * mark at the end or SentencePiece's at the beginning, in the order of their ids, which is that
   * of their frequency.
   */
  public List<String> words() {
    JsonNode vocabulary = JsonMapper.shared().readTree(json).path("model").path("vocab");
    List<String> tokens = new ArrayList<>();
    if (vocabulary.isArray()) {
      for (JsonNode piece : vocabulary) tokens.add(piece.path(0).asString(""));
    } else {
      List<Map.Entry<String, JsonNode>> sorted = new ArrayList<>(vocabulary.properties());
      sorted.sort(Comparator.comparingLong(token -> token.getValue().asLong(0)));
      sorted.forEach(token -> tokens.add(token.getKey()));
    }
    return tokens.stream()
        .filter(token -> token.matches("[a-z]{2,}" + WORD_END + "|" + WORD_BEGIN + "[a-z]{2,}"))
        .map(token -> token.replace(WORD_END, "").replace(WORD_BEGIN, ""))
        .toList();
  }

  /** How texts become ids, for people. */
  public String rules() {
    return rules.toString();
  }

  @Override
  public void close() {
    if (tokenizer != null) tokenizer.close();
  }
}
