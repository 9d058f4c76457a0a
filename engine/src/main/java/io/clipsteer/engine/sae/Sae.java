// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;

/**
 * A trained sparse autoencoder, for inference: {@code f = φ(W_encᵀ(z − b_dec) + b_enc)}, {@code x̂
 * = n⁻¹(W_decᵀ f + b_dec)} with {@code z = n(x)}. Immutable; runs on the CPU in F32.
 *
 * @param encoder W_enc [d,f]
 * @param encoderBias b_enc [f]
 * @param decoder W_dec [f,d]
 * @param decoderBias b_dec [d]
 * @param subtractsDecoderBias whether encoding subtracts b_dec (saev's SAEs do not)
 */
public record Sae(
    SaeVariant variant,
    InputNormalisation normalisation,
    Tensor encoder,
    Tensor encoderBias,
    Tensor decoder,
    Tensor decoderBias,
    boolean subtractsDecoderBias)
    implements AutoCloseable {

  /** Width d of the activations it was made for. */
  public int width() {
    return (int) decoder.size(1);
  }

  /** Number of features f. */
  public int features() {
    return (int) decoder.size(0);
  }

  /** An activation's code with what its normalisation took. */
  public record Encoded(SparseCode code, InputNormalisation.Normalised input) {}

  /**
   * Encodes rows.
   *
   * @param x F32 [n,d]
   */
  public Encoded encode(Tensor x) {
    checkWidth(x);
    var input = normalisation.apply(x);
    Tensor centred = subtractsDecoderBias ? input.z().sub(decoderBias) : input.z();
    try (Scope scope = Scope.open()) {
      Tensor pre = centred.matmul(encoder).addInPlace(encoderBias);
      SparseCode code =
          switch (variant) {
            case SaeVariant.TopK top -> SparseCode.topK(pre, top.k());
          };
      scope.keep(code.indices());
      scope.keep(code.values());
      return new Encoded(code, input);
    }
  }

  /** Decodes to the units of x, [n,d]. */
  public Tensor decode(Encoded encoded) {
    try (Scope scope = Scope.open()) {
      Tensor z = encoded.code().dense(features()).matmul(decoder).addInPlace(decoderBias);
      return scope.keep(encoded.input().undo(z));
    }
  }

  private void checkWidth(Tensor x) {
    if (x.shape().length != 2 || x.size(1) != width()) {
      throw new IllegalArgumentException("an SAE of width " + width() + " cannot read " + x);
    }
  }

  @Override
  public void close() {
    encoder.close();
    encoderBias.close();
    decoder.close();
    decoderBias.close();
  }
}
