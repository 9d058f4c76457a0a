// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.AdamWeights;
import io.clipsteer.engine.Bf16Arithmetic;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * The weights of an SAE in training, each with Adam's moments.
 *
 * @param encoder by features, [f,d]: the transpose of W_enc
 * @param encoderBias [f]
 * @param decoder [f,d], unit rows
 * @param decoderBias [d]
 * @param logThresholds JumpReLU's [f], as logarithms; null for others
 * @param shortEncoder the encoder in bf16, where its product proposes features; otherwise null, as
 *     on a CPU that multiplies bf16 in fp32, where the exact product is as fast
 */
record SaeWeights(
    AdamWeights encoder,
    AdamWeights encoderBias,
    AdamWeights decoder,
    AdamWeights decoderBias,
    @Nullable AdamWeights logThresholds,
    @Nullable Tensor shortEncoder)
    implements AutoCloseable {
  private static final double FIRST_THRESHOLD = 0.01;

  /**
   * Initial weights: random unit decoder rows, their transpose as encoder, b_enc 0, b_dec at the
   * sample's centre.
   *
   * @param z normalised activations, F32 [n,d]
   */
  static SaeWeights fresh(SaeTrainer.Config config, Tensor z) {
    try (Scope scope = Scope.open()) {
      Tensor rows = randomRows(config).unit();
      AdamWeights encoder = AdamWeights.of(rows.to(config.device()), scope);
      return new SaeWeights(
          encoder,
          AdamWeights.of(Tensor.zeros(DType.F32, config.device(), config.features()), scope),
          AdamWeights.of(rows.copy().to(config.device()), scope),
          AdamWeights.of(middle(z, config.centre()), scope),
          firstThresholds(config, null, scope),
          shortEncoder(config, encoder, scope));
    }
  }

  /** Copies of an SAE's weights. */
  static SaeWeights of(SaeTrainer.Config config, Sae start) {
    try (Scope scope = Scope.open()) {
      Device device = config.device();
      AdamWeights encoder =
          AdamWeights.of(start.encoder().transpose(0, 1).contiguous().copy().to(device), scope);
      return new SaeWeights(
          encoder,
          AdamWeights.of(start.encoderBias().copy().to(device), scope),
          AdamWeights.of(start.decoder().copy().to(device), scope),
          AdamWeights.of(start.decoderBias().copy().to(device), scope),
          firstThresholds(config, start, scope),
          shortEncoder(config, encoder, scope));
    }
  }

  private static Tensor randomRows(SaeTrainer.Config config) {
    SplittableRandom random = new SplittableRandom(config.seed());
    float[] numbers = new float[Math.multiplyExact(config.width(), config.features())];
    for (int i = 0; i < numbers.length; i++) numbers[i] = (float) random.nextGaussian();
    return Tensor.of(numbers, config.features(), config.width());
  }

  private static Tensor middle(Tensor z, SaeTrainer.Centre centre) {
    return switch (centre) {
      case MEAN -> z.mean(0, false);
      case MEDIAN -> geometricMedian(z);
    };
  }

  /** Weiszfeld's iteration, from the mean, 200 times at most. */
  private static Tensor geometricMedian(Tensor z) {
    Tensor median = z.mean(0, true);
    for (int i = 0; i < 200; i++) {
      Tensor distances = z.sub(median).norm(1).clampMinInPlace(1e-6);
      Tensor weights = distances.mul(0).addInPlace(1).divInPlace(distances);
      Tensor next =
          z.mul(weights).sum(0, true, DType.F32).divInPlace(weights.sum(0, true, DType.F32));
      double moved = next.sub(median).norm(1).item();
      median = next;
      if (moved < 1e-6) break;
    }
    return median.reshape(z.size(1));
  }

  private static @Nullable AdamWeights firstThresholds(
      SaeTrainer.Config config, @Nullable Sae start, Scope scope) {
    if (!(config.variant() instanceof SaeVariant.JumpRelu)) return null;
    float[] logs = new float[config.features()];
    Arrays.fill(logs, (float) Math.log(FIRST_THRESHOLD));
    if (start != null && start.activation() instanceof SaeActivation.JumpRelu jump) {
      for (int f = 0; f < logs.length; f++) {
        logs[f] = (float) Math.log(Math.max(1e-6, jump.thresholds()[f]));
      }
    }
    return AdamWeights.of(Tensor.of(logs, logs.length).to(config.device()), scope);
  }

  private static @Nullable Tensor shortEncoder(
      SaeTrainer.Config config, AdamWeights encoder, Scope scope) {
    boolean proposes =
        config.encoderProduct() == DType.BF16
            && config.device().equals(Device.CPU)
            && Bf16Arithmetic.CPU.inBf16();
    return proposes ? scope.release(encoder.value().to(DType.BF16)) : null;
  }

  /** Copies the encoder to its bf16 form, where there is one. */
  void updateShortEncoder() {
    if (shortEncoder != null) shortEncoder.copyFrom(encoder.value());
  }

  /** JumpReLU's thresholds [f]; only for a variant that has them. */
  float[] thresholds() {
    if (logThresholds == null) throw new IllegalStateException("no thresholds");
    float[] logs = logThresholds.value().toFloats();
    for (int f = 0; f < logs.length; f++) logs[f] = (float) Math.exp(logs[f]);
    return logs;
  }

  /** Sets the thresholds of resampled features to their initial value, where there are any. */
  void restartThresholds(long[] features) {
    if (logThresholds == null) return;
    for (long f : features) {
      logThresholds.setRow(f, new float[] {(float) Math.log(FIRST_THRESHOLD)});
    }
  }

  /** The trained tensors, by their names in a state file. */
  Map<String, AdamWeights> named() {
    Map<String, AdamWeights> weights = new LinkedHashMap<>();
    weights.put("encoder", encoder);
    weights.put("encoder_bias", encoderBias);
    weights.put("decoder", decoder);
    weights.put("decoder_bias", decoderBias);
    if (logThresholds != null) weights.put("log_thresholds", logThresholds);
    return weights;
  }

  /**
   * A copy as an SAE. A fitted normalisation is folded into the weights, so the SAE reads raw
   * activations.
   */
  Sae sae(SaeActivation activation, InputNormalisation normalisation) {
    try (Scope scope = Scope.open()) {
      SaeActivation own = activation;
      InputNormalisation read = normalisation;
      Tensor bias = encoderBias.value().copy().to(Device.CPU);
      Tensor middle = decoderBias.value().copy().to(Device.CPU);
      if (normalisation instanceof InputNormalisation.Standardise standard) {
        // W(x − m)/s − … = (W(x − m − s·b) + s·b_enc)/s, and all activations are s times as large.
        bias.mulInPlace(standard.scale());
        middle.mulInPlace(standard.scale()).addInPlace(Tensor.of(standard.mean(), middle.size(0)));
        own = activation.scaled(standard.scale());
        read = new InputNormalisation.None();
      }
      return new Sae(
          own,
          read,
          scope.release(encoder.value().to(Device.CPU).transpose(0, 1).contiguous()),
          scope.release(bias),
          scope.release(decoder.value().copy().to(Device.CPU)),
          scope.release(middle),
          true);
    }
  }

  @Override
  public void close() {
    named().values().forEach(AdamWeights::close);
    if (shortEncoder != null) shortEncoder.close();
  }
}
