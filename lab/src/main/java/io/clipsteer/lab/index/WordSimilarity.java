// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Correlations, over images, between the probabilities of some words.
 *
 * @param some their numbers, ascending
 * @param correlations [some,some]
 */
record WordSimilarity(long[] some, float[] correlations) {
  /** Of all words that are among the first of some units. */
  static WordSimilarity of(ImageWords answers, List<TopWords> tops) {
    long[] some =
        tops.stream()
            .flatMapToInt(top -> IntStream.range(0, top.size()).map(top::word))
            .distinct()
            .sorted()
            .asLongStream()
            .toArray();
    try (Scope scope = Scope.open()) {
      Tensor rows = answers.standardised(some);
      return new WordSimilarity(some, rows.matmul(rows.transpose(0, 1)).toFloats());
    }
  }

  /** Of two of them. */
  double of(int a, int b) {
    int row = Arrays.binarySearch(some, a);
    return correlations[row * some.length + Arrays.binarySearch(some, b)];
  }
}
