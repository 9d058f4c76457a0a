// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.util.BitSet;
import java.util.SplittableRandom;

/**
 * Trains one TopK SAE, with hand-written gradients: parameters, Adam's moments, and which features
 * have fired. Loss: mean over tokens and coordinates of {@code (ẑ − z)²} in normalised units.
 *
 * <p>Decoder rows stay unit vectors: the gradient's part along them is removed, and they are
 * brought back to length 1 after every step (as ViT-Prisma and saev do).
 */
public final class SaeTrainer implements AutoCloseable {
  /**
   * What is trained and how.
   *
   * @param variant the activation function
   * @param width d
   * @param features f
   * @param normalisation of the input
   * @param seed of the initial weights
   */
  public record Config(
      SaeVariant.TopK variant,
      int width,
      int features,
      InputNormalisation normalisation,
      long seed) {}

  /**
   * What a step saw.
   *
   * @param loss mean squared error in normalised units, before the update
   * @param l0 active features a token
   */
  public record Step(double loss, double l0) {}

  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.999;
  private static final double ADAM_EPS = 1e-8;

  private final Config config;
  private final Parameter encoder;
  private final Parameter encoderBias;
  private final Parameter decoder;
  private final Parameter decoderBias;
  private final BitSet fired;
  private int steps;

  /** A weight with Adam's two moments. */
  private record Parameter(Tensor value, Tensor first, Tensor second) implements AutoCloseable {
    static Parameter of(Tensor value, Scope scope) {
      return new Parameter(
          scope.release(value),
          scope.release(Tensor.zeros(DType.F32, value.shape())),
          scope.release(Tensor.zeros(DType.F32, value.shape())));
    }

    void adam(Tensor gradient, double rate, int step) {
      first.mulInPlace(BETA1).addInPlace(gradient, 1 - BETA1);
      second.mulInPlace(BETA2).addProductInPlace(gradient, gradient, 1 - BETA2);
      double correction = Math.sqrt(1 - Math.pow(BETA2, step));
      Tensor divisor = second.sqrt().mulInPlace(1 / correction).addInPlace(ADAM_EPS);
      value.addQuotientInPlace(first, divisor, -rate / (1 - Math.pow(BETA1, step)));
    }

    @Override
    public void close() {
      value.close();
      first.close();
      second.close();
    }
  }

  /**
   * A fresh SAE: decoder rows random unit vectors, encoder their transpose, b_enc 0, b_dec the mean
   * of the sample.
   *
   * @param sample activations to start from, F32 [n,d]
   */
  public SaeTrainer(Config config, Tensor sample) {
    if (config.variant().k() > config.features()) {
      throw new IllegalArgumentException(
          "k = " + config.variant().k() + " of " + config.features() + " features");
    }
    this.config = config;
    this.fired = new BitSet(config.features());
    try (Scope scope = Scope.open()) {
      Tensor rows = randomRows(config).unit();
      decoder = Parameter.of(rows, scope);
      encoder = Parameter.of(rows.transpose(0, 1).contiguous().copy(), scope);
      encoderBias = Parameter.of(Tensor.zeros(DType.F32, config.features()), scope);
      decoderBias = Parameter.of(config.normalisation().apply(sample).z().mean(0, false), scope);
    }
  }

  /** Starts from given weights, which are copied. */
  SaeTrainer(Config config, Sae start) {
    this.config = config;
    this.fired = new BitSet(config.features());
    try (Scope scope = Scope.open()) {
      decoder = Parameter.of(start.decoder().copy(), scope);
      encoder = Parameter.of(start.encoder().copy(), scope);
      encoderBias = Parameter.of(start.encoderBias().copy(), scope);
      decoderBias = Parameter.of(start.decoderBias().copy(), scope);
    }
  }

  private static Tensor randomRows(Config config) {
    SplittableRandom random = new SplittableRandom(config.seed());
    float[] numbers = new float[Math.multiplyExact(config.width(), config.features())];
    for (int i = 0; i < numbers.length; i++) numbers[i] = (float) random.nextGaussian();
    return Tensor.of(numbers, config.features(), config.width());
  }

  /**
   * One update.
   *
   * @param x activations, F32 [n,d]
   * @param learningRate Adam's step
   */
  public Step step(Tensor x, double learningRate) {
    try (Scope scope = Scope.open()) {
      Tensor z = config.normalisation().apply(x).z();
      Tensor centred = z.sub(decoderBias.value());
      Tensor pre = centred.matmul(encoder.value()).addInPlace(encoderBias.value());
      SparseCode code = SparseCode.topK(pre, config.variant().k());
      Tensor dense = code.dense(config.features());
      Tensor error = dense.matmul(decoder.value()).addInPlace(decoderBias.value()).subInPlace(z);
      double loss = error.mul(error).sum(DType.F64).item() / error.elements();
      double l0 = note(code);
      Tensor gradient = error.mulInPlace(2.0 / error.elements()); // dL/dẑ [n,d]
      // The code's gradient [n,f] is zero where a feature is not active.
      Tensor codeGradient =
          gradient.matmul(decoder.value().transpose(0, 1)).mulInPlace(dense.sign());
      update(centred, dense, gradient, codeGradient, learningRate);
      return new Step(loss, l0);
    }
  }

  private void update(
      Tensor centred, Tensor dense, Tensor gradient, Tensor codeGradient, double rate) {
    steps++;
    Tensor toEncoder = centred.transpose(0, 1).matmul(codeGradient); // [d,f]
    Tensor toDecoder = dense.transpose(0, 1).matmul(gradient); // [f,d]
    Tensor toEncoderBias = codeGradient.sum(0, false, DType.F32);
    Tensor throughEncoder =
        encoder.value().matmul(toEncoderBias.reshape(config.features(), 1)).reshape(config.width());
    Tensor toDecoderBias = gradient.sum(0, false, DType.F32).subInPlace(throughEncoder);
    Tensor along = toDecoder.mul(decoder.value()).sum(1, true, DType.F32);
    toDecoder.subInPlace(decoder.value().mul(along));
    encoder.adam(toEncoder, rate, steps);
    encoderBias.adam(toEncoderBias, rate, steps);
    decoder.adam(toDecoder, rate, steps);
    decoderBias.adam(toDecoderBias, rate, steps);
    decoder.value().copyFrom(decoder.value().unit());
  }

  private double note(SparseCode code) {
    long[] indices = code.indices().toLongs();
    float[] values = code.values().toFloats();
    long active = 0;
    for (int i = 0; i < values.length; i++) {
      if (values[i] <= 0) continue;
      active++;
      fired.set((int) indices[i]);
    }
    return (double) active / code.values().size(0);
  }

  /** Steps done. */
  public int steps() {
    return steps;
  }

  /** Share of features that fired at least once in training. */
  public double firedFraction() {
    return (double) fired.cardinality() / config.features();
  }

  /** The SAE as it stands, a copy that training no longer touches. */
  public Sae snapshot() {
    try (Scope scope = Scope.open()) {
      return new Sae(
          config.variant(),
          config.normalisation(),
          scope.release(encoder.value().copy()),
          scope.release(encoderBias.value().copy()),
          scope.release(decoder.value().copy()),
          scope.release(decoderBias.value().copy()),
          true);
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
