// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.kernels.SparseKernels;
import java.lang.foreign.ValueLayout;

/**
 * A trained tensor with Adam's two moments (Kingma and Ba 2015).
 *
 * @param value the weights, F32
 * @param first mean of gradients
 * @param second mean of their squares
 */
public record Weights(Tensor value, Tensor first, Tensor second) implements AutoCloseable {
  static final double BETA1 = 0.9;
  static final double BETA2 = 0.999;
  static final double EPS = 1e-8;

  /** Fresh moments; the tensors leave the scope. */
  static Weights of(Tensor value, Scope scope) {
    return new Weights(
        scope.release(value),
        scope.release(Tensor.zeros(DType.F32, value.shape())),
        scope.release(Tensor.zeros(DType.F32, value.shape())));
  }

  /** One update by a whole gradient. */
  void adam(Tensor gradient, double rate, int step) {
    first.mulInPlace(BETA1).addInPlace(gradient, 1 - BETA1);
    second.mulInPlace(BETA2).addProductInPlace(gradient, gradient, 1 - BETA2);
    double correction = Math.sqrt(1 - Math.pow(BETA2, step));
    Tensor divisor = second.sqrt().mulInPlace(1 / correction).addInPlace(EPS);
    value.addQuotientInPlace(first, divisor, -rate / (1 - Math.pow(BETA1, step)));
  }

  /** Gives row {@code r} (along dimension 0) new values and fresh moments. */
  void setRow(long r, float[] values) {
    for (int j = 0; j < values.length; j++) {
      long at = r * values.length + j;
      value.segment().setAtIndex(ValueLayout.JAVA_FLOAT, at, values[j]);
      first.segment().setAtIndex(ValueLayout.JAVA_FLOAT, at, 0);
      second.segment().setAtIndex(ValueLayout.JAVA_FLOAT, at, 0);
    }
  }

  SparseKernels.Moments moments() {
    return new SparseKernels.Moments(value.segment(), first.segment(), second.segment());
  }

  @Override
  public void close() {
    value.close();
    first.close();
    second.close();
  }
}
