// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

/** Parts of a training step, for timing. */
public enum StepPart {
  /** Normalising and centring the activations. */
  INPUT,
  /** The encoder's dense product. */
  PRODUCT,
  /** Selecting the active entries. */
  SELECT,
  /** Exact activations of the candidates of a bf16 product. */
  RESCORE,
  /** Decoding, and the gradient of the code. */
  RECONSTRUCT,
  /** Sorting the code by feature. */
  SORT,
  /** Gradients of encoder and decoder, and Adam. */
  ADAM,
  /** Biases, and the encoder's bf16 copy. */
  REST
}
