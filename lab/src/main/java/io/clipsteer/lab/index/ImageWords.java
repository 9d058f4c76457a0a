// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.TextLibrary;

/**
 * The vocabulary's probabilities on the indexed images: {@code p_iw = softmax_w(0.4·s·cos(e_i,
 * t_w))} with the model's logit scale s. Words compete for each image, so that a word that is close
 * to all images is high on none (CLIP-Dissect, arXiv 2204.10965, compares features with such
 * probabilities too).
 */
final class ImageWords {
  /** Share of the logit scale: the whole scale leaves many images a single word. */
  static final double SHARPNESS = 0.4;

  /** Probabilities in memory at once. */
  private static final int ENTRIES = 1 << 24;

  private final TextLibrary words;
  private final float[] images;
  private final double scale;
  private final float[] sums;

  /**
   * Sums what the softmax divides by.
   *
   * @param images unit embeddings [n,e]
   * @param logitScale the model's
   */
  ImageWords(TextLibrary words, float[] images, double logitScale) {
    this.words = words;
    this.images = images;
    scale = SHARPNESS * logitScale;
    try (Scope scope = Scope.open()) {
      Tensor sum = Tensor.zeros(DType.F32, images());
      for (int from = 0; from < size(); from += block()) {
        try (Scope inner = Scope.open()) {
          sum.addInPlace(
              powers(texts(from, Math.min(block(), size() - from))).sum(0, false, DType.F32));
        }
      }
      sums = sum.toFloats();
    }
  }

  /** Number of images, n. */
  int images() {
    return images.length / words.width();
  }

  /** Number of words. */
  int size() {
    return words.words().size();
  }

  /** Words whose probabilities fit into memory at once. */
  int block() {
    return Math.clamp(ENTRIES / Math.max(1, images()), 16, 2048);
  }

  private Tensor texts(int from, int count) {
    return Tensor.of(words.embeddings(), size(), words.width()).narrow(0, from, count);
  }

  /** {@code exp(scale·(cos − 1))}, [words,n]: no more than 1. */
  private Tensor powers(Tensor texts) {
    Tensor all = Tensor.of(images, images(), words.width());
    return texts.matmul(all.transpose(0, 1)).addInPlace(-1).mulInPlace(scale).exp();
  }

  /**
   * Rows [count,n] of the words from {@code from} on: each word's probabilities minus their mean,
   * of unit length; about 0 where they are constant.
   */
  Tensor standardised(int from, int count) {
    try (Scope scope = Scope.open()) {
      return scope.keep(standardised(texts(from, count)));
    }
  }

  /** The same of some words, by number. */
  Tensor standardised(long[] some) {
    try (Scope scope = Scope.open()) {
      Tensor index = Tensor.of(some, some.length);
      return scope.keep(standardised(texts(0, size()).indexSelect(0, index)));
    }
  }

  private Tensor standardised(Tensor texts) {
    Tensor p = powers(texts).divInPlace(Tensor.of(sums, 1, images()));
    return p.subInPlace(p.mean(1, true)).unit();
  }
}
