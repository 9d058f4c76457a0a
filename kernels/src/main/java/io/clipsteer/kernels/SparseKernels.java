// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The sparse half of an SAE's training step, in the caller's memory and without copies. Weights are
 * stored by feature: row j of the encoder reads feature j, row j of the decoder writes it. {@link
 * #best} is the fastest implementation; the tests compare it with a scalar reference. Work is split
 * by rows or by features, never by entries, so the same input gives the same bytes for any number
 * of threads.
 */
public interface SparseKernels {
  /**
   * Adam's settings for one update (Kingma and Ba 2015).
   *
   * @param rate learning rate
   * @param beta1 decay of the running mean of gradients
   * @param beta2 decay of the running mean of squared gradients
   * @param eps added to the divisor
   * @param update 1 for the first update
   * @param gradientScale factor of the gradients, below 1 where they are clipped
   */
  record Adam(
      double rate, double beta1, double beta2, double eps, int update, double gradientScale) {
    /** The rate, corrected for the means' start at 0. */
    float correctedRate() {
      return (float) (rate / (1 - Math.pow(beta1, update)));
    }

    /** Factor of the root of the mean square, for the same correction. */
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
   * An SAE's encoder or decoder.
   *
   * @param weights F32 [features,width]
   * @param bias F32: an encoder's [features], a decoder's [width]
   */
  record Affine(MemorySegment weights, MemorySegment bias, int width) {}

  /**
   * What a reconstruction is compared with.
   *
   * @param rows F32 [rows,width]
   * @param scales F32 [rows]: factor of a row's error
   * @param penalty derivative of a sparsity penalty by an active feature's value
   */
  record GradientTarget(MemorySegment rows, MemorySegment scales, double penalty) {}

  /**
   * The gradient of a matrix [features,width] as a sum of outer products: row j is {@code Σ
   * coefficient[e] · rows[row of e]} over the entries e of feature j.
   *
   * @param order a code's entries by feature
   * @param coefficients F32 [entries]
   * @param rows F32 [rows,width]
   */
  record SparseGradient(
      SparseRows.ByColumn order, MemorySegment coefficients, MemorySegment rows, int width) {
    /** Number of rows of the matrix. */
    int features() {
      return order.starts().length - 1;
    }
  }

  /**
   * The exact product of chosen rows: {@code out[i,c] = input[i] · weights[candidate] +
   * bias[candidate]}.
   *
   * @param input F32 [rows,width]
   * @param candidates which features for which row; its values are overwritten with the products
   */
  void rescore(MemorySegment input, SparseRows candidates, Affine encoder);

  /**
   * Decodes a sparse code: {@code out[i] = bias + Σ_j code_j · decoder_j}.
   *
   * @param code [rows,features]
   * @param out F32 [rows,width], written
   */
  void decode(SparseRows code, Affine decoder, MemorySegment out);

  /**
   * Decodes a sparse code and backpropagates the squared error to it, in one pass over the
   * decoder's rows: {@code error = bias + Σ_j code_j · decoder_j − target}, {@code gradient[i] =
   * scales[i] · error[i]}, {@code codeGradient_j = gradient · decoder_j + penalty} where {@code
   * code_j > 0}, else 0.
   *
   * @param code [rows,features]
   * @param gradient F32 [rows,width], written
   * @param codeGradient F32 [entries], written
   * @return {@code Σ error²} of each row
   */
  double[] reconstruct(
      SparseRows code,
      Affine decoder,
      GradientTarget target,
      MemorySegment gradient,
      MemorySegment codeGradient);

  /**
   * Adam on a matrix with a sparse gradient, which is never stored. Each row's weights and moments
   * are read and written once.
   *
   * @param unitRows whether rows have unit length: the gradient's part along a row is removed, and
   *     the row is scaled back to length 1
   */
  void adam(SparseGradient gradient, Moments matrix, Adam settings, boolean unitRows);

  /**
   * The squared norm of such a gradient, {@code Σ_j ‖Σ_e coefficient[e] · rows[row of e]‖²}, as
   * clipping needs it before {@link #adam}; float64.
   *
   * @param unitRows F32 [features,width] of unit rows, along which the gradient does not count; or
   *     null
   */
  double gradientSquares(SparseGradient gradient, @Nullable MemorySegment unitRows);

  /** The fastest implementation here: the Vector API's. */
  static SparseKernels best() {
    return VectorSparse.INSTANCE;
  }
}
