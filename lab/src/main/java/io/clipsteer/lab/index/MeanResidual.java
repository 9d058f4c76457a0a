// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Paused;
import org.jspecify.annotations.Nullable;

/** The mean of a hook point's value over images, token by token, in double. */
final class MeanResidual {
  private final HookPoint at;
  private double[] value = new double[0];
  private double @Nullable [] middle;
  private long[] shape = new long[0];
  private long images;

  MeanResidual(HookPoint at) {
    this.at = at;
  }

  void add(Paused paused) {
    long b = paused.value().size(0);
    if (images == 0) {
      shape = new long[] {1, paused.value().size(1), paused.value().size(2)};
      value = new double[(int) (shape[1] * shape[2])];
      if (paused.middle() != null) middle = new double[value.length];
    }
    add(paused.value(), value);
    if (paused.middle() != null && middle != null) add(paused.middle(), middle);
    images += b;
  }

  private static void add(Tensor batch, double[] to) {
    float[] rows = batch.toFloats();
    for (int i = 0; i < rows.length; i++) to[i % to.length] += rows[i];
  }

  /** A batch of one image, paused at the hook point, F32 on the CPU. */
  Paused paused() {
    return new Paused(at, tensor(value), middle == null ? null : tensor(middle));
  }

  private Tensor tensor(double[] sums) {
    Scope.require();
    float[] mean = new float[sums.length];
    for (int i = 0; i < mean.length; i++) mean[i] = (float) (sums[i] / images);
    return Tensor.of(mean, shape);
  }
}
