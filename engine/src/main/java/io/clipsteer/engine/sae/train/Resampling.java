// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Tensor;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Resampling of dead features from tokens that the SAE reconstructs badly (Bricken et al. 2023,
 * "Neuron Resampling"). Each dead feature takes the direction of a token sampled with probability
 * proportional to its squared loss. Its encoder row gets a fifth of the living rows' mean length,
 * b_enc and the moments become 0.
 */
final class Resampling {
  private static final double SHARE = 0.2;

  private Resampling() {}

  /**
   * Overwrites the dead features' weights.
   *
   * @param dead feature numbers
   * @param centred tokens minus b_dec, [n,d]
   * @param errors ẑ − z of the same tokens, [n,d]
   */
  static void apply(
      long[] dead, Tensor centred, Tensor errors, SaeWeights weights, SplittableRandom random) {
    float[] losses = errors.mul(errors).sum(1, false, DType.F32).toFloats();
    double[] cumulated = new double[losses.length];
    double sum = 0;
    for (int i = 0; i < losses.length; i++) {
      sum += (double) losses[i] * losses[i];
      cumulated[i] = sum;
    }
    if (!(sum > 0 && sum < Double.POSITIVE_INFINITY)) return;
    double length = SHARE * livingLength(dead, weights.encoder().value());
    int width = (int) centred.size(1);
    for (long feature : dead) {
      int at = Arrays.binarySearch(cumulated, random.nextDouble() * sum);
      int token = Math.min(losses.length - 1, at < 0 ? -at - 1 : at + 1);
      float[] row = centred.narrow(0, token, 1).unit().toFloats();
      weights.decoder().setRow(feature, row);
      float[] reader = new float[width];
      for (int j = 0; j < width; j++) reader[j] = (float) (length * row[j]);
      weights.encoder().setRow(feature, reader);
      weights.encoderBias().setRow(feature, new float[1]);
    }
  }

  /** Mean length of the living features' encoder rows; 1 when all are dead. */
  private static double livingLength(long[] dead, Tensor encoder) {
    float[] lengths = encoder.norm(1).toFloats();
    double sum = 0;
    for (float length : lengths) sum += length;
    for (long feature : dead) sum -= lengths[(int) feature];
    int living = lengths.length - dead.length;
    return living == 0 ? 1 : sum / living;
  }
}
