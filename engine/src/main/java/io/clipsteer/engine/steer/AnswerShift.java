// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.steer;

import io.clipsteer.engine.Tensor;
import io.clipsteer.kernels.SteerKernels;

/**
 * How an edit changed the probabilities of words, {@code Δ = P' − P}, summed over groups of images.
 *
 * @param sums F32, {@code stride} numbers per group: Σ Δ over the group's images
 * @param stride at least the number of words
 * @param groups number of rows
 * @param words number of words; the rest of a row is padding
 * @param squares Σ‖Δ‖² over all images
 */
public record AnswerShift(float[] sums, int stride, int groups, int words, double squares) {
  /**
   * Evaluates a block of edits whose logits are computed.
   *
   * @param input the images
   * @param directions F32 [count,words], as {@link SteerKernels#sweep} takes them
   * @param weights [count,images,3]
   * @param first index of the block's first edit
   */
  static void sweep(
      SteerKernels.SweepInput input,
      Tensor directions,
      double[] weights,
      int first,
      Sweep.Sink sink) {
    SteerKernels.best()
        .sweep(
            input,
            directions.segment(),
            weights,
            (int) directions.size(0),
            (unit, sums, stride, squares) ->
                sink.accept(
                    first + unit,
                    new AnswerShift(sums, stride, input.groups(), input.words(), squares)));
  }

  /**
   * The images of a sweep.
   *
   * @param perUnit whether {@code own} is [units·images,words], not [images,words]
   * @param common F32 [words]
   * @param before probabilities without the edit, F32 [images,words]
   */
  static SteerKernels.SweepInput input(
      Tensor own, boolean perUnit, Tensor common, Tensor before, int groups) {
    return new SteerKernels.SweepInput(
        own.segment(),
        perUnit,
        common.segment(),
        before.segment(),
        (int) before.size(0),
        (int) before.size(1),
        groups);
  }

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
