// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.steer;

import io.clipsteer.kernels.SteerKernels;

/**
 * How an edit changed the probabilities of words, {@code Δ = P' − P}, summed over groups of images.
 *
 * @param sums F32, a row of {@code stride} numbers a group: Σ Δ of the group's images
 * @param stride at least the number of words
 * @param groups number of rows
 * @param words how many numbers of a row count
 * @param squares Σ‖Δ‖² over all images
 */
public record AnswerShift(float[] sums, int stride, int groups, int words, double squares) {
  /** Σ Δ over all images, [words]. */
  public double[] total() {
    double[] total = new double[words];
    SteerKernels.best().total(sums, groups, words, stride, total);
    return total;
  }

  /** Scalar products of the groups' rows, [groups,groups], row-major. */
  public double[] gram() {
    return SteerKernels.best().gram(sums, groups, words, stride);
  }
}
