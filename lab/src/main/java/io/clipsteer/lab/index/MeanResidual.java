// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.lab.run.MeanToken;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** The mean of a hook point's value over images, token by token. */
final class MeanResidual {
  private final HookPoint at;
  private @Nullable MeanToken value;
  private @Nullable MeanToken middle;
  private long[] shape = new long[0];

  MeanResidual(HookPoint at) {
    this.at = at;
  }

  void add(Paused paused) {
    shape = new long[] {1, paused.value().size(1), paused.value().size(2)};
    value = plus(value, paused.value());
    if (paused.middle() != null) middle = plus(middle, paused.middle());
  }

  /** The tokens of an image, one after the other, are one row. */
  private MeanToken plus(@Nullable MeanToken sum, Tensor batch) {
    MeanToken all = sum == null ? new MeanToken((int) (shape[1] * shape[2])) : sum;
    all.add(batch.toFloats());
    return all;
  }

  /** A batch of one image, paused at the hook point, F32 on the CPU, in the current scope. */
  Paused paused() {
    Tensor mean = Tensor.of(Objects.requireNonNull(value).floats(), shape);
    return new Paused(at, mean, middle == null ? null : Tensor.of(middle.floats(), shape));
  }
}
