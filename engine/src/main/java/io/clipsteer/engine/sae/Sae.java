// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.kernels.SparseKernels;
import java.util.function.UnaryOperator;
import org.apiguardian.api.API;

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
@API(status = API.Status.MAINTAINED, since = "0.1")
public record Sae(
    SaeActivation activation,
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

  /** Rows' codes, with the normalisation of their input. */
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
      SparseCode code = encoded(centred);
      scope.keep(code.indices());
      scope.keep(code.values());
      return new Encoded(code, input);
    }
  }

  private SparseCode encoded(Tensor centred) {
    UnaryOperator<Tensor> pre = rows -> rows.matmul(encoder).addInPlace(encoderBias);
    return switch (activation) {
      case SaeActivation.TopK top -> SparseCode.topK(centred, features(), pre, top.k());
      case SaeActivation.Relu relu -> above(centred, pre, Tensor.zeros(DType.F32, features()));
      case SaeActivation.JumpRelu jump ->
          above(centred, pre, Tensor.of(jump.thresholds(), features()));
    };
  }

  private SparseCode above(Tensor centred, UnaryOperator<Tensor> pre, Tensor bounds) {
    return SparseCode.inPieces(
        centred,
        SparseCode.piece(features(), 4),
        rows -> SparseCode.above(pre.apply(rows), bounds));
  }

  /** Decodes to the units of x, [n,d]. */
  public Tensor decode(Encoded encoded) {
    try (Scope scope = Scope.open()) {
      Tensor z = Tensor.empty(DType.F32, encoded.code().rows(), width());
      SparseKernels.best()
          .decode(
              encoded.code().sparse(features()),
              new SparseKernels.Affine(decoder.segment(), decoderBias.segment(), width()),
              z.segment());
      return scope.keep(encoded.input().undo(z));
    }
  }

  /** The same with weights that outlive {@code scope}: the caller closes it. */
  public Sae release(Scope scope) {
    return new Sae(
        activation,
        normalisation,
        scope.release(encoder),
        scope.release(encoderBias),
        scope.release(decoder),
        scope.release(decoderBias),
        subtractsDecoderBias);
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
