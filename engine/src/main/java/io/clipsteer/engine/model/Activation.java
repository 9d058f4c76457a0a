// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.Tensor;

/** The non-linearity of a block's MLP. */
public enum Activation {
  /** x·Φ(x), exact. */
  GELU,
  /** x·σ(1.702 x), as OpenAI's CLIP. */
  QUICK_GELU,
  /** GELU by the hyperbolic tangent. */
  GELU_TANH,
  /** SiLU of one half times the other half, as DINOv2 giant. */
  SWIGLU;

  private static final double QUICK = 1.702;

  /** The activation that Hugging Face calls {@code name}. */
  public static Activation ofHuggingFace(String name, Object where) {
    return switch (name) {
      case "gelu" -> GELU;
      case "quick_gelu" -> QUICK_GELU;
      case "gelu_new", "gelu_pytorch_tanh", "gelu_fast" -> GELU_TANH;
      default ->
          throw new InputException(
              where,
              "hidden_act " + name + " is not known",
              "Known are gelu, quick_gelu, gelu_new, gelu_pytorch_tanh");
    };
  }

  /**
   * Applies it in place to the inner product. QuickGELU is x·σ(1.702x) = silu(1.702x)/1.702: the
   * weights carry the 1.702 ({@link #innerScale}, {@link #outerScale}), and one pass is left of
   * three.
   */
  Tensor apply(Tensor inner) {
    return switch (this) {
      case GELU -> inner.geluInPlace();
      case GELU_TANH -> inner.geluTanhInPlace();
      case QUICK_GELU -> inner.siluInPlace();
      case SWIGLU -> {
        long half = inner.size(-1) / 2;
        yield inner
            .narrow(-1, 0, half)
            .contiguous()
            .siluInPlace()
            .mulInPlace(inner.narrow(-1, half, half));
      }
    };
  }

  /** What the MLP's inner weight and bias are multiplied by once, at loading. */
  public double innerScale() {
    return this == QUICK_GELU ? QUICK : 1;
  }

  /** What the MLP's outer weight is multiplied by once, at loading. */
  public double outerScale() {
    return 1 / innerScale();
  }
}
