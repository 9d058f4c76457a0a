// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.edit;

import io.clipsteer.engine.Tensor;
import java.util.Arrays;

/** The new activations of an edit's units, from the activations before it. */
public sealed interface Rule {
  /** Activations become 0. */
  static Rule ablate() {
    return new Set(0);
  }

  /**
   * How far activations move.
   *
   * @param active F32 [n,k]
   * @return new minus old, F32 [n,k] in the current scope
   */
  Tensor moved(Tensor active);

  /** The rule in words, with every number that it depends on. */
  String described();

  /**
   * Activations become values, as 0 (ablation) or their mean over a set of images.
   *
   * @param values one for all units, or k
   */
  record Set(float... values) implements Rule {
    @Override
    public Tensor moved(Tensor active) {
      return active.mul(-1).addInPlace(Tensor.of(values, 1, values.length));
    }

    @Override
    public String described() {
      return "set" + Arrays.toString(values);
    }
  }

  /**
   * Activations above their cap become the cap; those below it stay.
   *
   * @param values one for all units, or k
   */
  record Cap(float... values) implements Rule {
    @Override
    public Tensor moved(Tensor active) {
      Tensor above = active.sub(Tensor.of(values, 1, values.length));
      return active.sub(above.whereAboveZero(above)).subInPlace(active);
    }

    @Override
    public String described() {
      return "cap" + Arrays.toString(values);
    }
  }

  /** Activations are multiplied by a factor. */
  record Scale(double factor) implements Rule {
    @Override
    public Tensor moved(Tensor active) {
      return active.mul(factor - 1);
    }

    @Override
    public String described() {
      return "scale[" + factor + "]";
    }
  }

  /** A value is added to activations. */
  record Add(double value) implements Rule {
    @Override
    public Tensor moved(Tensor active) {
      return active.mul(0).addInPlace(value);
    }

    @Override
    public String described() {
      return "add[" + value + "]";
    }
  }
}
