// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.engine.sae.format.SaeClaims;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Common mistakes in reading another tool's SAE. */
public enum SaeMistake {
  /** Trained on layer-normed input, and the file says none. */
  LAYER_NORM_MISSING("it was trained on layer-normed activations, and its files do not say so"),
  /** Trained on plain input, and the file says layer norm. */
  LAYER_NORM_EXTRA("its files say layer norm, and it was trained on plain activations"),
  /** Trained with the subtraction, and the file says without. */
  B_DEC_NOT_SUBTRACTED("its encoder subtracts b_dec, and its files say that it does not"),
  /** Trained without the subtraction, as saev does, and the file says with. */
  B_DEC_SUBTRACTED("its encoder does not subtract b_dec, and its files say that it does"),
  /** A TopK SAE whose file says ReLU. */
  TOPK_AS_RELU("it is a TopK SAE, and its files say ReLU"),
  /** Trained on scaled activations, and the scale is not folded into the weights. */
  ACTIVATIONS_NOT_SCALED("it was trained on scaled activations, and the scale is not in its files"),
  /** The model's MLPs ran with the other one of GELU and QuickGELU. */
  GELU_FOR_QUICK_GELU("the model says GELU, and the activations were made with QuickGELU"),
  /** The reverse. */
  QUICK_GELU_FOR_GELU("the model says QuickGELU, and the activations were made with GELU"),
  /** Trained at another hook point. */
  OTHER_HOOK_POINT("it was trained at another hook point");

  private final String says;

  SaeMistake(String says) {
    this.says = says;
  }

  /** The name in reports: {@code layer_norm_missing}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Its meaning, without a full stop. */
  public String says() {
    return says;
  }

  /**
   * The SAE with this mistake fixed. It shares the weights: close only one of the two.
   *
   * @return null where the mistake is impossible, or is not in the SAE's files
   */
  public @Nullable Sae fix(Sae sae, SaeClaims claims) {
    InputNormalisation input = sae.normalisation();
    boolean plain = input instanceof InputNormalisation.None;
    boolean subtracts = sae.subtractsDecoderBias();
    return switch (this) {
      case LAYER_NORM_MISSING ->
          plain ? with(sae, new InputNormalisation.LayerNorm(), sae.activation(), subtracts) : null;
      case LAYER_NORM_EXTRA ->
          plain ? null : with(sae, new InputNormalisation.None(), sae.activation(), subtracts);
      case B_DEC_NOT_SUBTRACTED -> subtracts ? null : with(sae, input, sae.activation(), true);
      case B_DEC_SUBTRACTED -> subtracts ? with(sae, input, sae.activation(), false) : null;
      case TOPK_AS_RELU -> {
        Integer k = k(claims);
        boolean possible =
            sae.activation() instanceof SaeActivation.Relu && k != null && k <= sae.features();
        yield possible && k != null ? with(sae, input, new SaeActivation.TopK(k), subtracts) : null;
      }
      case ACTIVATIONS_NOT_SCALED, GELU_FOR_QUICK_GELU, QUICK_GELU_FOR_GELU, OTHER_HOOK_POINT ->
          null;
    };
  }

  /** k by the files, or by the L0 that they claim. */
  private static @Nullable Integer k(SaeClaims claims) {
    if (claims.k() != null) return claims.k();
    Double l0 = claims.quality().get("l0");
    return l0 == null || !(l0 >= 0.5 && l0 < 1 << 24) ? null : (Integer) (int) Math.round(l0);
  }

  /** The SAE with another reading of its input; it shares the weights. */
  static Sae with(
      Sae sae, InputNormalisation normalisation, SaeActivation activation, boolean subtracts) {
    return new Sae(
        activation,
        normalisation,
        sae.encoder(),
        sae.encoderBias(),
        sae.decoder(),
        sae.decoderBias(),
        subtracts);
  }
}
