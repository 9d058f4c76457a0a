// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.lab.run.MeanToken;
import io.clipsteer.lab.run.StatePort;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** The mean of a hook point's value over images, token by token. */
final class MeanResidual {
  /** Values of an image's residual, far beyond any tower's. */
  private static final int MOST_WIDE = 1 << 28;

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

  /** Adds the images of the next block. */
  void add(MeanResidual next) {
    if (next.value == null) return;
    shape = next.shape;
    value = sum(value, next.value);
    if (next.middle != null) middle = sum(middle, next.middle);
  }

  private static MeanToken sum(@Nullable MeanToken to, MeanToken more) {
    if (to == null) return more;
    to.add(more);
    return to;
  }

  /** Moves the state to a stream, or from it into a mean without an image. */
  void move(StatePort port) {
    if (port.number(value == null ? 0L : 1L) == 0) return;
    boolean split = port.number(middle == null ? 0L : 1L) == 1;
    if (shape.length == 0) shape = new long[3];
    port.longs(shape);
    value = moved(port, value);
    if (split) middle = moved(port, middle);
  }

  private MeanToken moved(StatePort port, @Nullable MeanToken sum) {
    long width = shape[1] * shape[2];
    if (width < 0 || width > MOST_WIDE) throw StatePort.damaged("a shape of " + width + " values");
    MeanToken all = sum == null ? new MeanToken((int) width) : sum;
    all.move(port);
    return all;
  }

  /** A batch of one image, paused at the hook point, F32 on the CPU, in the current scope. */
  Paused paused() {
    Tensor mean = Tensor.of(Objects.requireNonNull(value).floats(), shape);
    return new Paused(at, mean, middle == null ? null : Tensor.of(middle.floats(), shape));
  }
}
