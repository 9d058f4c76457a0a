// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Tensor;
import io.clipsteer.kernels.RowKernels;

/**
 * Which features are active on which token, and how strongly.
 *
 * @param indices feature numbers, I64 [n,k], rising along a row
 * @param values activations, F32 [n,k]; 0 where fewer than k features are active
 */
public record SparseCode(Tensor indices, Tensor values) {
  /** The k largest of every row, negative ones as 0. */
  static SparseCode topK(Tensor preActivations, int k) {
    long n = preActivations.size(0);
    Tensor indices = Tensor.empty(DType.I32, n, k);
    Tensor values = Tensor.empty(DType.F32, n, k);
    RowKernels.best()
        .topK(
            preActivations.contiguous().segment(),
            n,
            (int) preActivations.size(1),
            k,
            values.segment(),
            indices.segment());
    return new SparseCode(indices.to(DType.I64), values.reluInPlace());
  }

  /** The same as a dense matrix F32 [n,features]. */
  public Tensor dense(long features) {
    return Tensor.zeros(DType.F32, values.size(0), features).scatterInPlace(1, indices, values);
  }
}
