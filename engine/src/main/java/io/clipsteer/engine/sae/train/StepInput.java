// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.InputNormalisation;
import java.util.Arrays;

/**
 * A batch of activations as a training step reads it.
 *
 * @param z normalised activations, F32 [n,d]
 * @param centred z minus b_dec, F32 [n,d]
 * @param scales dL/dẑ per unit of error of each token, F32 [n,1]; the loss of a token is half of it
 *     times the squared error
 * @param sigma factor from normalised units to the units of x, F32 [n,1] or [1,1]
 */
record StepInput(Tensor z, Tensor centred, Tensor scales, Tensor sigma) {

  /** Bounds the weight of a token at the mean, as a share of the mean squared distance. */
  private static final double LEAST_VARIANCE = 1e-3;

  /** Distance from the mean, in medians, above which a token weighs less. */
  private static final double CLIP = 2;

  /**
   * Normalises and centres a batch.
   *
   * @param x F32 [n,d]
   * @param decoderBias b_dec [d]
   */
  static StepInput of(
      Tensor x, InputNormalisation normalisation, Tensor decoderBias, SaeVariant.Loss loss) {
    var input = normalisation.apply(x);
    Tensor z = input.z().contiguous();
    return new StepInput(z, z.sub(decoderBias), scales(x, input, loss), input.scale());
  }

  /** ‖z − z̄‖² of each token. */
  private static float[] distances(Tensor z) {
    Tensor away = z.sub(z.mean(0, true));
    return away.mul(away).sum(1, false, DType.F64).toFloats();
  }

  /** Some rows: views. */
  StepInput narrow(long at, long rows) {
    return new StepInput(
        z.narrow(0, at, rows),
        centred.narrow(0, at, rows),
        scales.narrow(0, at, rows),
        sigma.size(0) == 1 ? sigma : sigma.narrow(0, at, rows));
  }

  /** Number of tokens n. */
  int rows() {
    return Math.toIntExact(z.size(0));
  }

  private static Tensor scales(
      Tensor x, InputNormalisation.Normalised input, SaeVariant.Loss loss) {
    long n = x.size(0);
    double each = 2.0 / ((double) n * x.size(1));
    return switch (loss) {
      case MSE -> Tensor.zeros(DType.F32, x.device(), n, 1).addInPlace(each);
      case PAPER -> {
        Tensor away = x.sub(x.mean(0, true)).norm(1).clampMinInPlace(1e-8);
        Tensor square = input.scale().mul(input.scale());
        yield Tensor.zeros(DType.F32, x.device(), n, 1)
            .addInPlace(each)
            .mulInPlace(square)
            .divInPlace(away);
      }
      case FVU -> {
        Tensor away = input.z().sub(input.z().mean(0, true));
        double variance = Math.max(1e-12, away.mul(away).sum(DType.F64).item());
        yield Tensor.zeros(DType.F32, x.device(), n, 1).addInPlace(2 / variance);
      }
      case TOKEN_FVU -> {
        float[] squares = distances(input.z());
        double mean = 0;
        for (float square : squares) mean += square / n;
        float[] scales = new float[squares.length];
        for (int i = 0; i < scales.length; i++) {
          scales[i] = (float) (2 / (n * Math.max(squares[i], LEAST_VARIANCE * mean)));
        }
        yield Tensor.of(scales, n, 1).to(x.device());
      }
      case CLIPPED -> {
        float[] squares = distances(input.z());
        float[] sorted = squares.clone();
        Arrays.sort(sorted);
        double most = CLIP * CLIP * sorted[sorted.length / 2];
        float[] scales = new float[squares.length];
        for (int i = 0; i < scales.length; i++) {
          scales[i] = (float) (each * Math.min(1, most / squares[i]));
        }
        yield Tensor.of(scales, n, 1).to(x.device());
      }
    };
  }
}
