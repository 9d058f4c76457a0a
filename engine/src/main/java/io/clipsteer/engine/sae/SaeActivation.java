// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import org.apiguardian.api.API;

/** The activation function φ of a finished SAE. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public sealed interface SaeActivation {
  /** The one for pre-activations that are {@code factor} times as large, above 0. */
  default SaeActivation scaled(double factor) {
    return switch (this) {
      case Relu relu -> relu;
      case TopK top -> top;
      case JumpRelu jump -> {
        float[] thresholds = jump.thresholds().clone();
        for (int f = 0; f < thresholds.length; f++) thresholds[f] *= (float) factor;
        yield new JumpRelu(thresholds);
      }
    };
  }

  /** Whether a feature's activation depends on the other features. */
  default boolean competes() {
    return this instanceof TopK;
  }

  /** The thresholds of some features; 0 where the sign alone, or competition, decides. */
  default float[] thresholds(int[] ids) {
    float[] thresholds = new float[ids.length];
    if (this instanceof JumpRelu(float[] all)) {
      for (int k = 0; k < ids.length; k++) thresholds[k] = all[ids[k]];
    }
    return thresholds;
  }

  /** {@code max(0, p)}. */
  record Relu() implements SaeActivation {}

  /**
   * The k largest pre-activations of a token stay, negative ones among them become 0.
   *
   * @param k at least 1
   */
  record TopK(int k) implements SaeActivation {}

  /**
   * {@code p} where it exceeds its feature's threshold, else 0 (Rajamanoharan et al. 2024).
   * BatchTopK and Matryoshka SAEs are this after training, with one threshold for all features.
   *
   * @param thresholds [f], at least 0
   */
  record JumpRelu(float[] thresholds) implements SaeActivation {}
}
