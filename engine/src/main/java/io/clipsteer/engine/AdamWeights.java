// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.kernels.SparseKernels;

/**
 * A trained tensor with Adam's two moments (Kingma and Ba 2015), all of one shape.
 *
 * @param value the weights, F32
 * @param first running mean of the gradients, F32
 * @param second running mean of the squared gradients, F32
 */
public record AdamWeights(Tensor value, Tensor first, Tensor second) implements AutoCloseable {
  /** Weights with zero moments. The three tensors leave {@code scope}; the caller closes them. */
  public static AdamWeights of(Tensor value, Scope scope) {
    return new AdamWeights(
        scope.release(value),
        scope.release(Tensor.zeros(DType.F32, value.device(), value.shape())),
        scope.release(Tensor.zeros(DType.F32, value.device(), value.shape())));
  }

  /**
   * One update by a dense gradient.
   *
   * @param gradient of the shape of {@code value}; {@code adam.gradientScale()} multiplies it
   */
  public void update(Tensor gradient, SparseKernels.Adam adam) {
    Tensor scaled = adam.gradientScale() == 1 ? gradient : gradient.mul(adam.gradientScale());
    first.mulInPlace(adam.beta1()).addInPlace(scaled, 1 - adam.beta1());
    second.mulInPlace(adam.beta2()).addProductInPlace(scaled, scaled, 1 - adam.beta2());
    double correction = Math.sqrt(1 - Math.pow(adam.beta2(), adam.update()));
    Tensor divisor = second.sqrt().mulInPlace(1 / correction).addInPlace(adam.eps());
    double rate = -adam.rate() / (1 - Math.pow(adam.beta1(), adam.update()));
    value.addQuotientInPlace(first, divisor, rate);
  }

  /** Sets row {@code r} (along dimension 0) and zeroes its moments. */
  public void setRow(long r, float[] values) {
    try (Scope scope = Scope.open()) {
      Tensor row = value.narrow(0, r, 1);
      row.copyFrom(Tensor.of(values, row.shape()));
      first.narrow(0, r, 1).fillInPlace(0);
      second.narrow(0, r, 1).fillInPlace(0);
    }
  }

  /** The three tensors' memory, as the sparse kernel updates it. */
  public SparseKernels.Moments moments() {
    return new SparseKernels.Moments(value.segment(), first.segment(), second.segment());
  }

  @Override
  public void close() {
    value.close();
    first.close();
    second.close();
  }
}
