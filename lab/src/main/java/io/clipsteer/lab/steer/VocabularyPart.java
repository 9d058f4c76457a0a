// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.engine.model.TextLibrary;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Some words of a vocabulary, drawn at random.
 *
 * @param draw {@code a}, or {@code b} of other words than a's
 * @param library the words, in their old order
 */
record VocabularyPart(String draw, TextLibrary library) {
  /** For file names. */
  String tag() {
    return "vocabulary-" + library.words().size() + draw + ".";
  }

  /** Of every size two draws without a common word, or one where there are not words for two. */
  static List<VocabularyPart> of(TextLibrary all, List<Integer> sizes, long seed) {
    List<VocabularyPart> parts = new ArrayList<>();
    int[] order = new int[all.words().size()];
    Arrays.setAll(order, i -> i);
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = order.length - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int other = order[j];
      order[j] = order[i];
      order[i] = other;
    }
    for (int size : sizes) {
      parts.add(new VocabularyPart("a", some(all, order, 0, size)));
      if (2 * size <= order.length) {
        parts.add(new VocabularyPart("b", some(all, order, size, size)));
      }
    }
    return parts;
  }

  private static TextLibrary some(TextLibrary all, int[] order, int from, int count) {
    int[] rows = Arrays.copyOfRange(order, from, from + count);
    Arrays.sort(rows);
    int e = all.width();
    float[] embeddings = new float[count * e];
    List<String> words = new ArrayList<>();
    for (int k = 0; k < count; k++) {
      System.arraycopy(all.embeddings(), rows[k] * e, embeddings, k * e, e);
      words.add(all.words().get(rows[k]));
    }
    return new TextLibrary(words, embeddings, e);
  }
}
