// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Bf16Arithmetic;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Encodes many tokens with one SAE. For a wide TopK SAE a bf16 product proposes 1.5 k candidates,
 * whose activations are computed in F32. Activations are exact; a feature is missed only where bf16
 * ranks it beyond the candidates. Other SAEs, and all SAEs where {@link Bf16Arithmetic} has no bf16
 * products, encode as {@link Sae#encode} does.
 */
public final class SaeEncoder implements AutoCloseable {
  /** Number of features below which the copies do not pay. */
  private static final int WIDE = 4096;

  private final Sae sae;
  private final @Nullable Tensor rows;
  private final @Nullable Tensor shorts;

  /** Encodes with {@code sae}, which must outlive this. */
  public SaeEncoder(Sae sae) {
    this.sae = sae;
    boolean wide = sae.activation() instanceof SaeActivation.TopK && sae.features() >= WIDE;
    if (wide && Bf16Arithmetic.CPU.inBf16()) {
      try (Scope scope = Scope.open()) {
        Tensor byFeature = sae.encoder().transpose(0, 1).contiguous();
        rows = scope.release(byFeature);
        shorts = scope.release(byFeature.to(DType.BF16));
      }
    } else {
      rows = null;
      shorts = null;
    }
  }

  /**
   * The code alone.
   *
   * @param x F32 [n,d]
   */
  public SparseCode encode(Tensor x) {
    if (rows == null || shorts == null || !(sae.activation() instanceof SaeActivation.TopK top)) {
      return sae.encode(x).code();
    }
    try (Scope scope = Scope.open()) {
      Tensor z = sae.normalisation().apply(x).z();
      Tensor centred = sae.subtractsDecoderBias() ? z.sub(sae.decoderBias()) : z;
      var selector = new Selector(rows, sae.encoderBias(), shorts, part -> {});
      SparseCode code = selector.topK(centred.contiguous(), top.k());
      scope.keep(code.indices());
      scope.keep(code.values());
      return code;
    }
  }

  @Override
  public void close() {
    if (rows != null) rows.close();
    if (shorts != null) shorts.close();
  }
}
