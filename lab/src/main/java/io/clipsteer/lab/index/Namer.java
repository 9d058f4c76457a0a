// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.Progress;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.TextLibrary;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Finds words for units: by the images that they are active on, and by what steering them does to
 * the model's answer. docs/metrics.md has the formulas.
 *
 * @param words vocabulary
 * @param answers its probabilities on the indexed images
 * @param logitScale the model's
 */
record Namer(TextLibrary words, ImageWords answers, double logitScale) {
  /** Words kept per unit and method. */
  static final int KEPT = 5;

  static final String IMAGES = "images";
  static final String STEERING = "steering";

  /** Correlation of two words' probabilities over images from which they are synonyms. */
  static final double SYNONYMS = 0.8;

  /** Words among which the first that is no synonym is sought. */
  private static final int CANDIDATES = 12;

  private static final int BATCH = 64;

  /** Mean embedding of the words: the part that is common to all names nothing. */
  double[] centre() {
    double[] centre = new double[words.width()];
    int n = words.words().size();
    for (int i = 0; i < words.embeddings().length; i++) {
      centre[i % centre.length] += (double) words.embeddings()[i] / n;
    }
    return centre;
  }

  /** Rows minus the centre, of unit length. */
  static float[] centred(float[] embeddings, double[] centre) {
    float[] rows = new float[embeddings.length];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = (float) (embeddings[i] - centre[i % centre.length]);
    }
    UnitVectors.normalise(rows, centre.length);
    return rows;
  }

  /**
   * One score of two cosines, for a search: their geometric mean, 0 unless both are above 0. It
   * does not depend on which of the two spreads more.
   */
  static float both(float decoder, float images) {
    return decoder > 0 && images > 0 ? (float) Math.sqrt((double) decoder * images) : 0;
  }

  /** The first words of every active unit by each method; by unit, method, rank. */
  List<UnitName> names(ScoreFile scores, UnitVectors vectors, Progress progress) {
    int units = vectors.strength().length;
    int[] active = IntStream.range(0, units).filter(u -> scores.count(u) > 0).toArray();
    List<UnitName> all = new ArrayList<>();
    double flops = 2.0 * answers.images() * answers.size() * (words.width() + 1);
    try (var task = progress.start("naming", active.length, "units")) {
      for (int at = 0; at < active.length; ) {
        int low = active[at];
        ScoreFile.Slice slice = scores.read(low, scores.end(low, ScoreFile.BUDGET));
        int end = at;
        while (end < active.length && active[end] < slice.high()) end++;
        for (; at < end; at += BATCH) {
          int[] some = Arrays.copyOfRange(active, at, Math.min(at + BATCH, end));
          try (Scope scope = Scope.open()) {
            name(all, some, slice, vectors);
          }
          task.advance(some.length, flops * some.length / BATCH);
        }
        at = end;
      }
    }
    return all;
  }

  private void name(List<UnitName> all, int[] units, ScoreFile.Slice slice, UnitVectors vectors) {
    Tensor changes = changes(units, vectors);
    float[] change = changes.toFloats();
    List<TopWords> byImages = byImages(units, slice);
    List<TopWords> bySteering = new ArrayList<>();
    for (int i = 0; i < units.length; i++) {
      TopWords top = new TopWords(CANDIDATES);
      for (int w = 0; w < answers.size(); w++) top.add(w, change[i * answers.size() + w]);
      bySteering.add(top);
    }
    WordSimilarity synonyms =
        WordSimilarity.of(answers, Stream.of(byImages, bySteering).flatMap(List::stream).toList());
    for (int i = 0; i < units.length; i++) {
      int row = i * answers.size();
      IntToDoubleFunction of = word -> change[row + word];
      add(all, units[i], STEERING, bySteering.get(i), synonyms, of);
      add(all, units[i], IMAGES, byImages.get(i), synonyms, of);
    }
  }

  /** Correlations of the units' activations with the words' probabilities over all images. */
  private List<TopWords> byImages(int[] units, ScoreFile.Slice slice) {
    List<TopWords> tops = new ArrayList<>();
    for (int i = 0; i < units.length; i++) tops.add(new TopWords(CANDIDATES));
    Tensor activations = activations(units, slice);
    for (int from = 0; from < answers.size(); from += answers.block()) {
      int count = Math.min(answers.block(), answers.size() - from);
      try (Scope scope = Scope.open()) {
        Tensor rows = answers.standardised(from, count);
        float[] scores = activations.matmul(rows.transpose(0, 1)).toFloats();
        for (int i = 0; i < units.length; i++) {
          for (int w = 0; w < count; w++) tops.get(i).add(from + w, scores[i * count + w]);
        }
      }
    }
    return tops;
  }

  /** Largest activations on the images minus their mean, of unit length, [units,n]. */
  private Tensor activations(int[] units, ScoreFile.Slice slice) {
    int n = answers.images();
    float[] rows = new float[units.length * n];
    for (int i = 0; i < units.length; i++) {
      int from = slice.starts()[units[i] - slice.low()];
      int to = slice.starts()[units[i] - slice.low() + 1];
      double sum = 0;
      for (int e = from; e < to; e++) sum += slice.max()[e];
      float mean = (float) (sum / n);
      Arrays.fill(rows, i * n, (i + 1) * n, -mean);
      for (int e = from; e < to; e++) rows[i * n + slice.images()[e]] = slice.max()[e] - mean;
    }
    return Tensor.of(rows, units.length, n).unit();
  }

  /** Change of every word's probability when the units are steered, [units,words]. */
  private Tensor changes(int[] units, UnitVectors vectors) {
    int e = words.width();
    float[] rows = new float[(units.length + 1) * e];
    System.arraycopy(vectors.base(), 0, rows, 0, e);
    for (int i = 0; i < units.length; i++) {
      System.arraycopy(vectors.steered(), units[i] * e, rows, (i + 1) * e, e);
    }
    Tensor texts = Tensor.of(words.embeddings(), answers.size(), e);
    Tensor logits = Tensor.of(rows, units.length + 1, e).unit().matmul(texts.transpose(0, 1));
    Tensor p = logits.mulInPlace(logitScale).softmax();
    return p.narrow(0, 1, units.length).sub(p.narrow(0, 0, 1));
  }

  /** Keeps a unit's first words by a method, with the margins over the next that is no synonym. */
  private void add(
      List<UnitName> all,
      int unit,
      String method,
      TopWords top,
      WordSimilarity synonyms,
      IntToDoubleFunction change) {
    for (int rank = 0; rank < Math.min(KEPT, top.size()); rank++) {
      int word = top.word(rank);
      int next = rank + 1;
      while (next < top.size() - 1 && synonyms.of(word, top.word(next)) >= SYNONYMS) next++;
      double margin = next < top.size() ? top.score(rank) - top.score(next) : 0;
      String text = words.words().get(word);
      double score = top.score(rank);
      double by = change.applyAsDouble(word);
      all.add(new UnitName(unit, method, rank + 1, text, score, margin, top.z(score), by));
    }
  }
}
