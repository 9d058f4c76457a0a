// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.pretrain;

/**
 * Settings of the optimiser.
 *
 * @param beta1 decay of the gradients' mean
 * @param beta2 decay of their squares' mean
 * @param eps added to the divisor
 * @param weightDecay share of a matrix that a step of rate 1 takes away
 * @param clip largest norm of the gradients
 */
public record AdamW(double beta1, double beta2, double eps, double weightDecay, double clip) {
  /** CLIP's own settings for vision transformers, with a gradient norm of at most 1. */
  public static final AdamW CLIP = new AdamW(0.9, 0.98, 1e-6, 0.1, 1);
}
