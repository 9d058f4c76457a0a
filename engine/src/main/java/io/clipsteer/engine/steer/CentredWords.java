// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.steer;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.TextLibrary;

/**
 * The words' embeddings minus their mean. Softmax ignores a constant added to all logits. Text
 * embeddings are similar, so the differences are small and float32 holds them more exactly.
 */
final class CentredWords {
  private CentredWords() {}

  /** F64 [e,words], in the current scope. */
  static Tensor centred(TextLibrary library) {
    int words = library.words().size();
    try (Scope scope = Scope.open()) {
      Tensor rows = Tensor.of(library.embeddings(), words, library.width()).to(DType.F64);
      return scope.keep(rows.sub(rows.mean(0, true)).transpose(0, 1).contiguous());
    }
  }

  /**
   * Softmax over all words, F32 [n,words], in the current scope.
   *
   * @param embeddings unit rows [n,e]
   * @param centred F64 [e,words]
   */
  static Tensor probabilities(Tensor embeddings, Tensor centred, double scale) {
    try (Scope scope = Scope.open()) {
      Tensor logits = embeddings.to(DType.F64).matmul(centred).mulInPlace(scale);
      return scope.keep(logits.softmax().to(DType.F32).contiguous());
    }
  }
}
