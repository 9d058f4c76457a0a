// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.index.Indexer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/** Embeddings of texts: by the model's text tower, or from a library. For one thread. */
final class Texts {
  private static final int KEPT_HEADS = 32;

  private final ClipModel model;
  private final @Nullable TextLibrary library;
  private final List<String> templates;
  private final Map<List<String>, AnswerHead> heads = new LinkedHashMap<>(16, 0.75f, true);

  /**
   * Takes the words' source.
   *
   * @param library in the place of the text tower; null for the tower
   * @param templates of zero-shot words, each with {}
   */
  Texts(ClipModel model, @Nullable TextLibrary library, List<String> templates) {
    this.model = model;
    this.library = library;
    this.templates = templates;
  }

  /** Whether texts can be embedded. */
  boolean areKnown() {
    return library != null || model.text() != null && model.tokenizer() != null;
  }

  /** Words that can be chosen; empty where any text can be. */
  List<String> words() {
    return library == null ? List.of() : library.words();
  }

  /** Zero-shot words as a head of the model. */
  AnswerHead head(List<String> words) {
    AnswerHead known = heads.get(words);
    if (known != null) return known;
    TextLibrary some = library == null ? embedded(words, templates) : chosen(library, words);
    AnswerHead head = ZeroShot.head(model, some);
    heads.put(words, head);
    if (heads.size() > KEPT_HEADS) heads.remove(heads.keySet().iterator().next());
    return head;
  }

  /** The embedding of a text for a search, unit length [e], as the index reads names. */
  float[] embedding(String text) {
    List<String> one = List.of(text);
    return (library == null ? embedded(one, Indexer.TEMPLATES) : chosen(library, one)).embeddings();
  }

  /**
   * Embeddings of texts that mean nothing: letters at random. Of a library, words at random, since
   * it has no others.
   */
  List<float[]> meaningless(int count, long seed) {
    var random = new SplittableRandom(seed);
    List<String> texts = new ArrayList<>();
    while (texts.size() < count) {
      if (library != null) {
        texts.add(library.words().get(random.nextInt(library.words().size())));
        continue;
      }
      StringBuilder text = new StringBuilder();
      int length = 4 + random.nextInt(6);
      while (text.length() < length) text.append((char) ('a' + random.nextInt(26)));
      texts.add(text.toString());
    }
    if (library != null) return texts.stream().map(this::embedding).toList();
    TextLibrary all = embedded(texts, Indexer.TEMPLATES);
    List<float[]> rows = new ArrayList<>();
    for (int k = 0; k < count; k++) rows.add(row(all, k));
    return rows;
  }

  private TextLibrary embedded(List<String> words, List<String> prompts) {
    return ZeroShot.library(model, words, prompts, Progress.SILENT);
  }

  private static TextLibrary chosen(TextLibrary library, List<String> words) {
    int e = library.width();
    float[] rows = new float[words.size() * e];
    for (int k = 0; k < words.size(); k++) {
      int row = library.row(words.get(k));
      if (row < 0) {
        throw new InputException(
            "\"" + words.get(k) + "\"",
            "is no word of the library, and the model reads no text",
            "Choose one of its " + library.words().size() + " words");
      }
      System.arraycopy(library.embeddings(), row * e, rows, k * e, e);
    }
    return new TextLibrary(words, rows, e);
  }

  private static float[] row(TextLibrary all, int k) {
    float[] row = new float[all.width()];
    System.arraycopy(all.embeddings(), k * row.length, row, 0, row.length);
    return row;
  }
}
