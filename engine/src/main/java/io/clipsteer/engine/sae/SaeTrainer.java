// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.kernels.RowKernels;
import io.clipsteer.kernels.SparseKernels;
import io.clipsteer.kernels.SparseRows;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;
import java.util.EnumMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Trains one TopK SAE, with hand-written gradients: parameters, Adam's moments, and which features
 * have fired. Loss: mean over tokens and coordinates of {@code (ẑ − z)²} in normalised units.
 *
 * <p>Only active features are decoded and followed back; the one dense product is the encoder's. It
 * may run in bf16: then it only proposes features, whose activations are computed exactly.
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
   * @param encoderProduct F32: every activation exactly; BF16: those of the {@link #candidates}
   *     that a bf16 product ranks highest
   * @param seed of the initial weights
   */
  public record Config(
      SaeVariant.TopK variant,
      int width,
      int features,
      InputNormalisation normalisation,
      DType encoderProduct,
      long seed) {
    /** How many features of a token are scored exactly after a bf16 product. */
    public int candidates() {
      return Math.min(features, variant.k() + Math.max(16, variant.k() / 2));
    }
  }

  /**
   * What a step saw.
   *
   * @param loss mean squared error in normalised units, before the update
   * @param l0 active features a token
   */
  public record Step(double loss, double l0) {}

  /** What a step's time goes into. */
  public enum Part {
    /** Normalising and centring the activations. */
    INPUT,
    /** The encoder's dense product. */
    PRODUCT,
    /** The largest entries of each row. */
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

  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.999;
  private static final double ADAM_EPS = 1e-8;

  /** Of the encoder's dense product, held at a time. */
  private static final long PRODUCT_BYTES = 512L << 20;

  private final Config config;

  /** By features, [f,d]: the transpose of W_enc. */
  private final Parameter encoder;

  private final Parameter encoderBias;
  private final Parameter decoder;
  private final Parameter decoderBias;
  private final @Nullable Tensor shortEncoder;
  private final BitSet fired;
  private final long[] nanos = new long[Part.values().length];
  private long lap;
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

    SparseKernels.Moments moments() {
      return new SparseKernels.Moments(value.segment(), first.segment(), second.segment());
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
      encoder = Parameter.of(rows.copy(), scope);
      encoderBias = Parameter.of(Tensor.zeros(DType.F32, config.features()), scope);
      decoderBias = Parameter.of(config.normalisation().apply(sample).z().mean(0, false), scope);
      shortEncoder = shortCopy(scope);
    }
  }

  /** Starts from given weights, which are copied. */
  SaeTrainer(Config config, Sae start) {
    this.config = config;
    this.fired = new BitSet(config.features());
    try (Scope scope = Scope.open()) {
      decoder = Parameter.of(start.decoder().copy(), scope);
      encoder = Parameter.of(start.encoder().transpose(0, 1).contiguous().copy(), scope);
      encoderBias = Parameter.of(start.encoderBias().copy(), scope);
      decoderBias = Parameter.of(start.decoderBias().copy(), scope);
      shortEncoder = shortCopy(scope);
    }
  }

  /** The time since the last call belongs to {@code part}. */
  private void lap(Part part) {
    long now = System.nanoTime();
    nanos[part.ordinal()] += now - lap;
    lap = now;
  }

  /** Seconds spent so far in each part of all steps. */
  public Map<Part, Double> seconds() {
    Map<Part, Double> seconds = new EnumMap<>(Part.class);
    for (Part part : Part.values()) seconds.put(part, nanos[part.ordinal()] * 1e-9);
    return seconds;
  }

  private @Nullable Tensor shortCopy(Scope scope) {
    if (config.encoderProduct() == DType.F32) return null;
    return scope.release(encoder.value().to(DType.BF16));
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
    lap = System.nanoTime();
    try (Scope scope = Scope.open()) {
      int n = Math.toIntExact(x.size(0));
      int width = config.width();
      Tensor z = config.normalisation().apply(x).z().contiguous();
      Tensor centred = z.sub(decoderBias.value());
      Tensor indices = Tensor.empty(DType.I32, n, config.variant().k());
      Tensor values = Tensor.empty(DType.F32, n, config.variant().k());
      lap(Part.INPUT);
      encode(centred, indices, values);
      values.reluInPlace();
      SparseRows code =
          SparseRows.uniform(
              n, config.variant().k(), config.features(), indices.segment(), values.segment());
      Tensor gradient = Tensor.empty(DType.F32, n, width); // dL/dẑ
      Tensor codeGradient = Tensor.empty(DType.F32, n, config.variant().k());
      double squares =
          SparseKernels.best()
              .reconstruct(
                  code,
                  decoder.value().segment(),
                  decoderBias.value().segment(),
                  width,
                  z.segment(),
                  2.0 / ((double) n * width),
                  0,
                  gradient.segment(),
                  codeGradient.segment());
      lap(Part.RECONSTRUCT);
      double l0 = note(code);
      update(centred, code, values, gradient, codeGradient, learningRate);
      return new Step(squares / ((double) n * width), l0);
    }
  }

  /** The k largest pre-activations of every token, in pieces that bound the memory. */
  private void encode(Tensor centred, Tensor indices, Tensor values) {
    long n = centred.size(0);
    long rowBytes = (shortEncoder == null ? 4L : 2L) * config.features();
    long piece = Math.max(1, PRODUCT_BYTES / rowBytes);
    for (long at = 0; at < n; at += piece) {
      long rows = Math.min(piece, n - at);
      try (Scope scope = Scope.open()) {
        Tensor input = centred.narrow(0, at, rows);
        Tensor chosen = indices.narrow(0, at, rows);
        Tensor scores = values.narrow(0, at, rows);
        if (shortEncoder == null) {
          Tensor pre = input.linear(encoder.value(), encoderBias.value());
          lap(Part.PRODUCT);
          RowKernels.best()
              .topK(
                  pre.contiguous().segment(),
                  rows,
                  config.features(),
                  config.variant().k(),
                  scores.segment(),
                  chosen.segment());
          lap(Part.SELECT);
        } else {
          encodeShort(input, shortEncoder, chosen, scores);
        }
      }
    }
  }

  private void encodeShort(Tensor input, Tensor weights, Tensor chosen, Tensor scores) {
    int rows = Math.toIntExact(input.size(0));
    int c = config.candidates();
    Tensor pre =
        input.to(DType.BF16).linear(weights, encoderBias.value().to(DType.BF16)).contiguous();
    lap(Part.PRODUCT);
    Tensor columns = Tensor.empty(DType.I32, rows, c);
    RowKernels.best().topColumnsBf16(pre.segment(), rows, config.features(), c, columns.segment());
    lap(Part.SELECT);
    Tensor exact = Tensor.empty(DType.F32, rows, c);
    SparseKernels.best()
        .rescore(
            input.segment(),
            config.width(),
            SparseRows.uniform(rows, c, config.features(), columns.segment(), exact.segment()),
            encoder.value().segment(),
            encoderBias.value().segment());
    lap(Part.RESCORE);
    // Candidates lie by rising column, so the best among them do as well.
    Tensor places = Tensor.empty(DType.I32, rows, config.variant().k());
    RowKernels.best()
        .topK(exact.segment(), rows, c, config.variant().k(), scores.segment(), places.segment());
    chosen.copyFrom(columns.gather(1, places.to(DType.I64)));
    lap(Part.SELECT);
  }

  private void update(
      Tensor centred,
      SparseRows code,
      Tensor values,
      Tensor gradient,
      Tensor codeGradient,
      double rate) {
    steps++;
    SparseRows.ByColumn order = code.byColumn();
    lap(Part.SORT);
    Tensor toEncoderBias = byFeature(order, codeGradient);
    Tensor throughEncoder =
        toEncoderBias.reshape(1, config.features()).matmul(encoder.value()).reshape(config.width());
    Tensor toDecoderBias = gradient.sum(0, false, DType.F32).subInPlace(throughEncoder);
    lap(Part.REST);
    var adam = new SparseKernels.Adam(rate, BETA1, BETA2, ADAM_EPS, steps);
    SparseKernels kernels = SparseKernels.best();
    int width = config.width();
    kernels.adam(
        order, codeGradient.segment(), centred.segment(), width, encoder.moments(), adam, false);
    kernels.adam(order, values.segment(), gradient.segment(), width, decoder.moments(), adam, true);
    lap(Part.ADAM);
    encoderBias.adam(toEncoderBias, rate, steps);
    decoderBias.adam(toDecoderBias, rate, steps);
    if (shortEncoder != null) shortEncoder.copyFrom(encoder.value());
    lap(Part.REST);
  }

  /** Sums of entries over tokens, [f]. */
  private Tensor byFeature(SparseRows.ByColumn order, Tensor entries) {
    float[] given = entries.toFloats();
    float[] sums = new float[config.features()];
    for (int feature = 0; feature < sums.length; feature++) {
      double sum = 0;
      for (int at = order.starts()[feature]; at < order.starts()[feature + 1]; at++) {
        sum += given[order.entry()[at]];
      }
      sums[feature] = (float) sum;
    }
    return Tensor.of(sums, sums.length);
  }

  private double note(SparseRows code) {
    long active = 0;
    for (long e = 0; e < code.entries(); e++) {
      if (code.values().get(ValueLayout.JAVA_FLOAT, 4 * e) <= 0) continue;
      active++;
      fired.set(code.indices().get(ValueLayout.JAVA_INT, 4 * e));
    }
    return (double) active / code.rows();
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
          scope.release(encoder.value().transpose(0, 1).contiguous()),
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
    if (shortEncoder != null) shortEncoder.close();
  }
}
