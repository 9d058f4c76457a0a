// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

/** The words of largest score among many, and the mean and deviation of all scores. */
final class TopWords {
  private final int[] words;
  private final float[] scores;
  private int size;
  private long count;
  private double sum;
  private double squares;

  TopWords(int most) {
    words = new int[most];
    scores = new float[most];
  }

  /** Adds a word's score; of equal scores the word that was added first comes first. */
  void add(int word, float score) {
    count++;
    sum += score;
    squares += (double) score * score;
    if (size == words.length && score <= scores[size - 1]) return;
    int at = size < words.length ? size++ : size - 1;
    while (at > 0 && scores[at - 1] < score) {
      words[at] = words[at - 1];
      scores[at] = scores[at - 1];
      at--;
    }
    words[at] = word;
    scores[at] = score;
  }

  int size() {
    return size;
  }

  int word(int rank) {
    return words[rank];
  }

  double score(int rank) {
    return scores[rank];
  }

  /** A score in standard deviations of all words' scores from their mean; 0 where all are equal. */
  double z(double score) {
    double mean = sum / count;
    double deviation = Math.sqrt(Math.max(0, squares / count - mean * mean));
    return deviation > 0 ? (score - mean) / deviation : 0;
  }
}
