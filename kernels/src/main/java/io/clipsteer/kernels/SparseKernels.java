// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The sparse half of an SAE's step, in the caller's memory and without copies. Weights lie by
 * features: row j of the encoder is what feature j listens to, row j of the decoder what it writes.
 * {@link #best} is what this machine runs fastest; {@link ScalarSparse} is the reference. All work
 * is split by rows or by features, never by entries: the same input gives the same bytes whatever
 * the number of threads.
 */
public sealed interface SparseKernels permits ScalarSparse, VectorSparse {
  /**
   * Adam's settings for one update (Kingma and Ba 2015).
   *
   * @param rate the step
   * @param beta1 decay of the gradients' mean
   * @param beta2 decay of their squares' mean
   * @param eps added to the divisor
   * @param update 1 for the first
   * @param gradientScale what gradients are multiplied by: below 1 where they are clipped
   */
  record Adam(
      double rate, double beta1, double beta2, double eps, int update, double gradientScale) {
    /** The step with the means' start at 0 corrected. */
    float correctedRate() {
      return (float) (rate / (1 - Math.pow(beta1, update)));
    }

    /** What the root of the squares' mean is multiplied by, for the same reason. */
    float rootScale() {
      return (float) (1 / Math.sqrt(1 - Math.pow(beta2, update)));
    }
  }

  /**
   * A matrix that Adam updates, each F32 [features,width].
   *
   * @param value the weights
   * @param first mean of gradients
   * @param second mean of their squares
   */
  record Moments(MemorySegment value, MemorySegment first, MemorySegment second) {}

  /**
   * The exact product of chosen rows: {@code out[i,c] = input[i] · weights[candidate] +
   * bias[candidate]}.
   *
   * @param input F32 [rows,width]
   * @param candidates which features for which row; its values are overwritten with the products
   * @param weights F32 [features,width]
   * @param bias F32 [features]
   */
  void rescore(
      MemorySegment input,
      int width,
      SparseRows candidates,
      MemorySegment weights,
      MemorySegment bias);

  /**
   * Decodes a sparse code: {@code out[i] = bias + Σ_j code_j · decoder_j}.
   *
   * @param code [rows,features]
   * @param decoder F32 [features,width]
   * @param bias F32 [width]
   * @param out F32 [rows,width], written
   */
  void decode(
      SparseRows code, MemorySegment decoder, MemorySegment bias, int width, MemorySegment out);

  /**
   * Decodes a sparse code and follows the squared error back to it, in one pass over the decoder's
   * rows: {@code error = bias + Σ_j code_j · decoder_j − target}, {@code gradient[i] = scales[i] ·
   * error[i]}, {@code codeGradient_j = gradient · decoder_j + penalty} where {@code code_j > 0},
   * else 0.
   *
   * @param code [rows,features]
   * @param decoder F32 [features,width]
   * @param bias F32 [width]
   * @param target F32 [rows,width]
   * @param scales F32 [rows]: what a row's error is multiplied by
   * @param penalty derivative of a sparsity penalty by an active feature's value
   * @param gradient F32 [rows,width], written
   * @param codeGradient F32 [entries], written
   * @return {@code Σ error²} of each row
   */
  double[] reconstruct(
      SparseRows code,
      MemorySegment decoder,
      MemorySegment bias,
      int width,
      MemorySegment target,
      MemorySegment scales,
      double penalty,
      MemorySegment gradient,
      MemorySegment codeGradient);

  /**
   * Adam on a matrix whose gradient is a sum of few outer products: row j's is {@code Σ
   * coefficient[e] · rows[row of e]} over the entries e of feature j. The gradient is never stored,
   * and each row's weights and moments are read and written once.
   *
   * @param order the code's entries by feature
   * @param coefficients F32 [entries]
   * @param rows F32 [rows,width]
   * @param unitRows whether rows have unit length: the gradient's part along a row is left out, and
   *     the row is brought back to length 1
   */
  void adam(
      SparseRows.ByColumn order,
      MemorySegment coefficients,
      MemorySegment rows,
      int width,
      Moments matrix,
      Adam settings,
      boolean unitRows);

  /**
   * The squared norm of such a gradient, {@code Σ_j ‖Σ_e coefficient[e] · rows[row of e]‖²}, as
   * clipping needs it before {@link #adam}; float64.
   *
   * @param unitRows F32 [features,width] of unit rows, along which the gradient does not count; or
   *     null
   */
  double gradientSquares(
      SparseRows.ByColumn order,
      MemorySegment coefficients,
      MemorySegment rows,
      int width,
      @Nullable MemorySegment unitRows);

  /** The fastest implementation here: the Vector API's. */
  static SparseKernels best() {
    return VectorSparse.INSTANCE;
  }
}
