// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.Progress;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.TextLibrary;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Names units by words: cosines between a unit's vectors and the words' text embeddings minus their
 * mean, since the part common to all words (the prompt, the language) names nothing.
 *
 * @param words vocabulary
 * @param centre mean of their embeddings
 * @param rows unit rows of the embeddings minus the centre
 */
record Namer(TextLibrary words, double[] centre, float[] rows) {
  /** Words kept per unit and method. */
  static final int KEPT = 5;

  static final String DECODER = "decoder";
  static final String IMAGES = "images";
  static final String BOTH = "both";

  private static final int BATCH = 512;

  static Namer of(TextLibrary words) {
    int e = words.width();
    int n = words.words().size();
    double[] centre = new double[e];
    for (int i = 0; i < words.embeddings().length; i++) {
      centre[i % e] += (double) words.embeddings()[i] / n;
    }
    return new Namer(words, centre, centred(words.embeddings(), centre));
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
   * One score of two cosines: their geometric mean, 0 unless both are above 0. It does not depend
   * on which of the two spreads more.
   */
  static float both(float decoder, float images) {
    return decoder > 0 && images > 0 ? (float) Math.sqrt((double) decoder * images) : 0;
  }

  /** The first words of every unit by each method; by unit, method, rank. */
  List<UnitName> names(UnitVectors vectors, Progress progress) {
    int e = words.width();
    int units = vectors.images().length / e;
    int v = words.words().size();
    List<UnitName> all = new ArrayList<>();
    try (Scope scope = Scope.open();
        var task = progress.start("naming", units, "units")) {
      Tensor texts = Tensor.of(rows, v, e).transpose(0, 1);
      Tensor decoder = Tensor.of(vectors.decoder(), units, e);
      Tensor images = Tensor.of(vectors.images(), units, e);
      for (int from = 0; from < units; from += BATCH) {
        int count = Math.min(BATCH, units - from);
        try (Scope inner = Scope.open()) {
          float[] d = decoder.narrow(0, from, count).matmul(texts).toFloats();
          float[] i = images.narrow(0, from, count).matmul(texts).toFloats();
          for (int u = 0; u < count; u++) {
            float[] byDecoder = Arrays.copyOfRange(d, u * v, (u + 1) * v);
            float[] byImages = Arrays.copyOfRange(i, u * v, (u + 1) * v);
            name(all, from + u, vectors, byDecoder, byImages);
          }
        }
        task.advance(count, 4.0 * e * v * count);
      }
    }
    return all;
  }

  private void name(
      List<UnitName> all, int unit, UnitVectors vectors, float[] byDecoder, float[] byImages) {
    int e = words.width();
    boolean hasDecoder = isSet(vectors.decoder(), unit * e, e);
    boolean hasImages = isSet(vectors.images(), unit * e, e);
    if (hasDecoder) best(all, unit, DECODER, byDecoder);
    if (hasImages) best(all, unit, IMAGES, byImages);
    if (!hasDecoder || !hasImages) return;
    float[] scores = new float[byDecoder.length];
    for (int w = 0; w < scores.length; w++) scores[w] = both(byDecoder[w], byImages[w]);
    best(all, unit, BOTH, scores);
  }

  private static boolean isSet(float[] rows, int at, int width) {
    for (int j = at; j < at + width; j++) if (rows[j] != 0) return true;
    return false;
  }

  /** The words of largest score; ties keep the earlier word. */
  private void best(List<UnitName> all, int unit, String method, float[] scores) {
    int count = Math.min(KEPT + 1, scores.length);
    int[] best = new int[count];
    int size = 0;
    for (int w = 0; w < scores.length; w++) {
      if (size == count && scores[w] <= scores[best[size - 1]]) continue;
      int at = size < count ? size++ : size - 1;
      while (at > 0 && scores[best[at - 1]] < scores[w]) {
        best[at] = best[at - 1];
        at--;
      }
      best[at] = w;
    }
    for (int rank = 0; rank < Math.min(KEPT, size); rank++) {
      double score = scores[best[rank]];
      double next = rank + 1 < size ? scores[best[rank + 1]] : 0;
      // Without a word of positive cosine by both methods there is no name.
      if (method.equals(BOTH) && score <= 0) break;
      String word = words.words().get(best[rank]);
      all.add(new UnitName(unit, method, rank + 1, word, score, Math.max(0, score - next)));
    }
  }
}
