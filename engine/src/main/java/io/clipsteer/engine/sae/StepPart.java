// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

/** What a step's time goes into. */
public enum StepPart {
  /** Normalising and centring the activations. */
  INPUT,
  /** The encoder's dense product. */
  PRODUCT,
  /** The entries that count. */
  SELECT,
  /** Exact activations of what a bf16 product proposed. */
  RESCORE,
  /** Decoding, and the error followed back to the code. */
  RECONSTRUCT,
  /** The code by features. */
  SORT,
  /** Gradients of encoder and decoder, with Adam. */
  ADAM,
  /** Biases, and the encoder's bf16 copy. */
  REST
}
