// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import com.fasterxml.jackson.annotation.JsonProperty;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.train.SaeTrainer;
import io.clipsteer.engine.sae.train.SaeVariant;

/**
 * How each SAE of a training is trained. A setting without effect on an SAE's kind is ignored.
 *
 * @param normalisation of the input
 * @param encoderProduct F32, or BF16 for a faster product that only proposes features
 * @param clip largest gradient norm of an SAE, 0 for no clipping
 * @param deadTokens tokens without firing after which a feature is dead
 * @param resampleSteps steps between two resamplings of dead features, 0 for none
 * @param centre initial value of b_dec
 */
public record SaeSettings(
    @JsonProperty("normalise") InputNormalisation.Kind normalisation,
    DType encoderProduct,
    double clip,
    long deadTokens,
    int resampleSteps,
    SaeTrainer.Centre centre) {
  /** Whether {@code encoderProduct} has an effect; the others' product is F32. */
  static boolean hasProduct(SaeVariant variant) {
    return variant instanceof SaeVariant.TopK;
  }

  /** Whether {@code resampleSteps} has an effect; the others are not resampled. */
  static boolean isResampled(SaeVariant variant) {
    return !(variant instanceof SaeVariant.Matryoshka);
  }

  /** The trainer's configuration of one SAE. */
  SaeTrainer.Config of(SaeVariant variant, int width, int features, long seed, Device device) {
    return new SaeTrainer.Config(
        variant,
        width,
        features,
        normalisation,
        hasProduct(variant) ? encoderProduct : DType.F32,
        clip,
        deadTokens,
        isResampled(variant) ? resampleSteps : 0,
        centre,
        seed,
        device);
  }
}
