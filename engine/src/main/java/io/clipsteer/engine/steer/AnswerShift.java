// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.steer;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.kernels.SteerKernels;
import org.jspecify.annotations.Nullable;

/**
 * How an edit changed the probabilities of words, {@code Δ = P' − P}, summed over groups of images.
 *
 * @param sums F32, {@code stride} numbers per group: Σ Δ over the group's images
 * @param stride at least the number of words
 * @param groups number of rows
 * @param words number of words; the rest of a row is padding
 * @param squares Σ‖Δ‖² over all images
 * @param sigmoids Σ of the changes of σ(logit) over all images [words], for a head that has a bias
 *     of a sigmoid; null for others
 */
public record AnswerShift(
    float[] sums, int stride, int groups, int words, double squares, float @Nullable [] sigmoids) {
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
                    new AnswerShift(sums, stride, input.groups(), input.words(), squares, null)));
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

  /**
   * The words' rows minus their mean, F64 [e,words], in the current scope. Softmax ignores a
   * constant added to all logits. Text embeddings are similar, so the differences are small and
   * float32 holds them more exactly.
   */
  static Tensor centred(AnswerHead head) {
    int words = head.words().size();
    try (Scope scope = Scope.open()) {
      Tensor rows = Tensor.of(head.rows(), words, head.width()).to(DType.F64);
      return scope.keep(rows.sub(rows.mean(0, true)).transpose(0, 1).contiguous());
    }
  }

  /**
   * Softmax over all words, F32 [n,words], in the current scope.
   *
   * @param outputs what the head reads [n,e]
   * @param centred F64 [e,words]
   */
  static Tensor probabilities(Tensor outputs, Tensor centred, AnswerHead head) {
    try (Scope scope = Scope.open()) {
      Tensor logits = outputs.to(DType.F64).matmul(centred);
      if (head.isBiased()) logits = logits.add(bias(head).to(DType.F64));
      logits = logits.mulInPlace(head.scale());
      return scope.keep(logits.softmax().to(DType.F32).contiguous());
    }
  }

  /** The head's bias, F32 [1,words], in the current scope. */
  static Tensor bias(AnswerHead head) {
    return Tensor.of(head.bias(), 1, head.words().size());
  }

  /** The same with the changes of σ(logit). */
  AnswerShift withSigmoids(float[] some) {
    return new AnswerShift(sums, stride, groups, words, squares, some);
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
