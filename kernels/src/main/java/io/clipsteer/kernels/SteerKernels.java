// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import java.lang.foreign.MemorySegment;

/**
 * Changes of softmax answers by edits, summed over images: the inner loop of steerability. A (unit,
 * image) pair costs a few operations per word and stores only its share of the sums. {@link #best}
 * is the fastest implementation; the tests compare it with a scalar reference, in float64. Work is
 * split by units, so the same input gives the same bytes for any number of threads.
 */
public interface SteerKernels {
  /** Numbers of a (unit, image) pair: the weights of own, common and direction. */
  int WEIGHTS = 3;

  /**
   * The images of a sweep. The logits of unit u and image i are {@code w₀·own + w₁·common +
   * w₂·direction_u} with the pair's three weights, up to a constant, which softmax ignores.
   *
   * @param own F32 [images,words]; or [units,images,words] when every unit has its own
   * @param perUnit whether every unit has its own
   * @param common F32 [words]
   * @param before F32 [images,words]: each word's probability without the edit
   * @param images at least 1
   * @param words at least 1
   * @param groups image i belongs to group {@code ⌊i·groups/images⌋}, up to rounding: group g holds
   *     {@code ⌊g·images/groups⌋} to {@code ⌊(g+1)·images/groups⌋}; 1 to {@code images}
   */
  record SweepInput(
      MemorySegment own,
      boolean perUnit,
      MemorySegment common,
      MemorySegment before,
      int images,
      int words,
      int groups) {
    public SweepInput {
      if (images < 1 || words < 1 || groups < 1 || groups > images) {
        throw new IllegalArgumentException(images + " images in " + groups + " groups");
      }
      if (common.byteSize() < 4L * words || before.byteSize() < 4L * images * words) {
        throw new IllegalArgumentException("memory too small for " + images + " × " + words);
      }
    }

    /** First image of group {@code g}; of one beyond the last: the number of images. */
    public int start(int g) {
      return (int) ((long) g * images / groups);
    }

    void check(MemorySegment directions, double[] weights, int units) {
      long rows = perUnit ? (long) units * images : images;
      if (own.byteSize() < 4 * rows * words
          || directions.byteSize() < 4L * units * words
          || weights.length < (long) units * images * WEIGHTS) {
        throw new IllegalArgumentException("memory too small for " + units + " units");
      }
      for (int at = 0; at < units * images * WEIGHTS; at += WEIGHTS) {
        if (!(weights[at] > 0)) throw new IllegalArgumentException("own weighs " + weights[at]);
      }
    }
  }

  /** Receives a unit's sums; called once per unit, by any thread, in any order. */
  @FunctionalInterface
  interface UnitSink {
    /**
     * Receives one unit's effect.
     *
     * @param unit its index
     * @param sums of each group a row of {@code stride} numbers, of which the first [words] are
     *     {@code Σ (P' − P)} over the group's images; valid during the call
     * @param stride at least the number of words
     * @param squares {@code Σ ‖P' − P‖²} over all images
     */
    void accept(int unit, float[] sums, int stride, double squares);
  }

  /**
   * Sums softmax differences of units.
   *
   * @param directions F32 [units,words]
   * @param weights [units,images,3]; the first of a pair's three, own's, is above 0
   */
  void sweep(
      SweepInput answers, MemorySegment directions, double[] weights, int units, UnitSink sink);

  /**
   * Scalar products of rows with each other.
   *
   * @param rows F32, n rows of {@code stride} numbers, of which the first [width] count
   * @return [n,n], row-major, symmetric
   */
  double[] gram(float[] rows, int n, int width, int stride);

  /**
   * Sum of rows, in float64.
   *
   * @param rows as {@link #gram} takes them
   * @param sum [width], written
   */
  void total(float[] rows, int n, int width, int stride, double[] sum);

  /** The fastest implementation here: the Vector API's. */
  static SteerKernels best() {
    return VectorSteer.INSTANCE;
  }
}
