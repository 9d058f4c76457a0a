// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.pretrain;

/**
 * Settings of the optimiser.
 *
 * @param beta1 decay of the running mean of gradients
 * @param beta2 decay of the running mean of squared gradients
 * @param eps added to the divisor
 * @param weightDecay weight decay: share of a matrix that an update at rate 1 removes
 * @param clip largest gradient norm
 */
public record AdamW(double beta1, double beta2, double eps, double weightDecay, double clip) {
  /** CLIP's own settings for vision transformers, with a gradient norm of at most 1. */
  public static final AdamW CLIP = new AdamW(0.9, 0.98, 1e-6, 0.1, 1);
}
