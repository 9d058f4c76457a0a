// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.AnswerHead;
import java.util.Arrays;
import java.util.List;

/**
 * Which words are similar. With c the cosine of two words' rows minus the vocabulary's mean, their
 * likeness is 0 up to {@link #STRANGERS}, 1 from {@link #SAME} on, and linear between; most pairs
 * have likeness 0, so only the others are stored.
 *
 * @param starts index of the first pair of each word, then the number of pairs
 * @param others second word of each pair, of a higher number than the first
 * @param likeness of each pair, above 0
 */
record Similarity(int[] starts, int[] others, float[] likeness) {
  /** Cosine up to which words are unrelated. */
  static final double STRANGERS = 0.5;

  /** Cosine from which words are synonyms. */
  static final double SAME = 0.9;

  private static final int BLOCK = 512;
  private static final int MOST = 1 << 26;

  /**
   * Compares all words with all.
   *
   * @throws InputException when more than 2^26 pairs are alike
   */
  static Similarity of(AnswerHead head) {
    int n = head.words().size();
    int[] starts = new int[n + 1];
    int[] others = new int[n];
    float[] likeness = new float[n];
    int found = 0;
    try (Scope scope = Scope.open()) {
      Tensor rows = Tensor.of(head.rows(), n, head.width());
      Tensor unit = rows.sub(rows.mean(0, true)).unit().contiguous();
      Tensor turned = unit.transpose(0, 1).contiguous();
      for (int at = 0; at < n; at += BLOCK) {
        int count = Math.min(BLOCK, n - at);
        float[] cosines = cosines(unit.narrow(0, at, count), turned);
        for (int k = 0; k < count; k++) {
          for (int w = at + k + 1; w < n; w++) {
            double alike = (cosines[k * n + w] - STRANGERS) / (SAME - STRANGERS);
            if (alike <= 0) continue;
            if (found == others.length) {
              if (found == MOST) throw tooMany(head.words());
              others = Arrays.copyOf(others, Math.min(MOST, 2 * found));
              likeness = Arrays.copyOf(likeness, others.length);
            }
            others[found] = w;
            likeness[found++] = (float) Math.min(1, alike);
          }
          starts[at + k + 1] = found;
        }
      }
    }
    return new Similarity(starts, Arrays.copyOf(others, found), Arrays.copyOf(likeness, found));
  }

  private static float[] cosines(Tensor some, Tensor turned) {
    try (Scope scope = Scope.open()) {
      return some.matmul(turned).contiguous().toFloats();
    }
  }

  private static InputException tooMany(List<String> words) {
    return new InputException(
        "the vocabulary of " + words.size() + " words",
        "has more than " + MOST + " pairs that mean the same",
        "Use fewer words");
  }

  /** Number of words. */
  int words() {
    return starts.length - 1;
  }

  /**
   * Semantic S of a mean change m: {@code Σ_v Σ_w k(v,w)·m(v)·m(w)} with k the likeness. It does
   * not fall when a word's probability is split among synonyms.
   */
  double semantic(double[] mean) {
    double sum = 0;
    for (int v = 0; v < mean.length; v++) {
      double others = 0;
      for (int p = starts[v]; p < starts[v + 1]; p++) others += likeness[p] * mean[this.others[p]];
      sum += mean[v] * (mean[v] + 2 * others);
    }
    return sum;
  }
}
