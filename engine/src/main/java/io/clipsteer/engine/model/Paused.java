// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.engine.Tensor;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A tower stopped at a hook point, from which it can be continued any number of times.
 *
 * @param at the hook point
 * @param value the value there [b,t,d]
 * @param middle at MLP_OUT the residual stream to which the value will be added; at RESID_POST null
 */
public record Paused(HookPoint at, Tensor value, @Nullable Tensor middle) {
  /** The same pause with another value of the same width and token count. */
  public Paused with(Tensor newValue) {
    return new Paused(at, newValue, middle);
  }

  /** The same pause with both tensors mapped: copied, released from a scope, cut to some images. */
  public Paused map(UnaryOperator<Tensor> operator) {
    return new Paused(at, operator.apply(value), middle == null ? null : operator.apply(middle));
  }

  /** Frees both tensors. */
  public void close() {
    value.close();
    if (middle != null) middle.close();
  }
}
