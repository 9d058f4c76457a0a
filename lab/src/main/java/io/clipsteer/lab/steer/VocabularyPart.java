// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.engine.model.TextLibrary;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A random sample of a vocabulary.
 *
 * @param draw {@code a}, or {@code b} of other words than a's
 * @param library the words, in the vocabulary's order
 */
record VocabularyPart(String draw, TextLibrary library) {
  /** The beginning of file names. */
  String tag() {
    return "vocabulary-" + library.words().size() + draw + ".";
  }

  /** Two samples of every size without a common word, or one where the words do not suffice. */
  static List<VocabularyPart> of(TextLibrary all, List<Integer> sizes, long seed) {
    List<VocabularyPart> parts = new ArrayList<>();
    int[] order = SteerabilityRun.shuffled(all.words().size(), seed);
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
