// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.engine.sae.Selector;
import io.clipsteer.engine.sae.SparseCode;
import io.clipsteer.engine.sae.StepPart;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.LongStream;

/**
 * Trains one SAE with hand-written gradients.
 *
 * <p>Only active features are decoded and receive gradients; the encoder's is the one dense
 * product. In bf16 it only proposes features, whose activations are then computed exactly. A ReLU
 * SAE is trained by dense products while more than one feature in ten is active, and so is every
 * SAE on a device that is not the CPU. Decoder rows stay unit vectors ({@link SaeUpdate}).
 */
public final class SaeTrainer implements AutoCloseable {
  /**
   * What is trained and how.
   *
   * @param variant what keeps the code sparse
   * @param width d
   * @param features f
   * @param normalisation of the input, fitted to the sample
   * @param encoderProduct F32: every activation is exact; BF16 (TopK only): a bf16 product ranks
   *     the candidates
   * @param clip largest norm of the gradient of all weights together; 0 for no clipping
   * @param deadTokens number of tokens without firing after which a feature is dead
   * @param resampleSteps steps between two resamplings of dead features ({@link Resampling}); 0 for
   *     none
   * @param centre initial value of b_dec
   * @param seed of the initial weights
   * @param device where it is trained; away from the CPU by dense products, all exact
   */
  public record Config(
      SaeVariant variant,
      int width,
      int features,
      InputNormalisation.Kind normalisation,
      DType encoderProduct,
      double clip,
      long deadTokens,
      int resampleSteps,
      Centre centre,
      long seed,
      Device device) {
    /** Default of {@code deadTokens}. */
    public static final long DEAD_TOKENS = 1_000_000;

    /** Throws IllegalArgumentException for settings that contradict each other. */
    public Config {
      if (variant.k() > features) {
        throw new IllegalArgumentException("k = " + variant.k() + " of " + features + " features");
      }
      if (encoderProduct != DType.F32 && !(variant instanceof SaeVariant.TopK)) {
        throw new IllegalArgumentException(variant.spelling() + " with a short product");
      }
      if (resampleSteps > 0 && variant instanceof SaeVariant.Matryoshka) {
        throw new IllegalArgumentException(variant.spelling() + " with resampling");
      }
    }

    /** On the CPU without clipping or resampling, b_dec from the mean. */
    public static Config of(
        SaeVariant variant,
        int width,
        int features,
        InputNormalisation.Kind normalisation,
        DType encoderProduct,
        long seed) {
      return new Config(
          variant,
          width,
          features,
          normalisation,
          encoderProduct,
          0,
          DEAD_TOKENS,
          0,
          Centre.MEAN,
          seed,
          Device.CPU);
    }
  }

  /** Which centre of the sample b_dec starts at. */
  public enum Centre {
    /** Its mean. */
    MEAN,
    /** Its geometric median: the point with the least sum of distances to all tokens. */
    MEDIAN;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * The result of a step.
   *
   * @param loss before the update, sparsity penalty included
   * @param l0 mean number of active features per token
   */
  public record Step(double loss, double l0) {}

  /** Share of active features above which dense products are faster. */
  private static final double DENSE = 0.1;

  private static final float CUT_MARGIN = 0.7f;

  /** Most pre-activations of one product on a device. */
  private static final long DEVICE_PRODUCT = 1L << 28;

  private final Config config;
  private final SaeTrainerState state;
  private final SaeWeights weights;
  private final Selector selector;
  private final long[] nanos = new long[StepPart.values().length];
  private long marked;
  private boolean tensorsAlone;

  /**
   * A fresh SAE: random unit decoder rows, their transpose as encoder, b_enc 0, b_dec at the
   * sample's centre.
   *
   * @param sample activations, F32 [n,d]
   */
  public SaeTrainer(Config config, Tensor sample) {
    this(config, config.normalisation().fitted(sample), sample);
  }

  private SaeTrainer(Config config, InputNormalisation normalisation, Tensor sample) {
    this(config, normalisation, initial(config, normalisation, sample));
  }

  private static SaeWeights initial(
      Config config, InputNormalisation normalisation, Tensor sample) {
    try (Scope scope = Scope.open()) {
      return SaeWeights.fresh(config, normalisation.apply(sample).z());
    }
  }

  /**
   * Fine-tunes a copy of an SAE. Its weights are in the units of its own normalisation, so no
   * normalisation can be fitted.
   */
  public SaeTrainer(Config config, Sae start) {
    this(config, config.normalisation().fitted(start.decoder()), copied(config, start));
  }

  private static SaeWeights copied(Config config, Sae start) {
    if (config.normalisation() == InputNormalisation.Kind.STANDARDISE) {
      throw new IllegalArgumentException("an existing SAE, standardised");
    }
    if (start.width() != config.width() || start.features() != config.features()) {
      throw new IllegalArgumentException("an SAE of another size");
    }
    return SaeWeights.of(config, start);
  }

  private SaeTrainer(Config config, InputNormalisation normalisation, SaeWeights weights) {
    this.config = config;
    this.weights = weights;
    this.state = new SaeTrainerState(weights, normalisation);
    this.selector =
        new Selector(
            weights.encoder().value(),
            weights.encoderBias().value(),
            weights.shortEncoder(),
            this::mark);
  }

  /** Adds the time since the last call to {@code part}. */
  private void mark(StepPart part) {
    long now = System.nanoTime();
    nanos[part.ordinal()] += now - marked;
    marked = now;
  }

  /** Seconds spent so far in each part of all steps. */
  public Map<StepPart, Double> seconds() {
    Map<StepPart, Double> seconds = new EnumMap<>(StepPart.class);
    for (StepPart part : StepPart.values()) seconds.put(part, nanos[part.ordinal()] * 1e-9);
    return seconds;
  }

  /** {@link #step(Tensor, double, double)} with the variant's full sparsity penalty. */
  public Step step(Tensor x, double rate) {
    return step(x, rate, 1);
  }

  /**
   * One update.
   *
   * @param x activations, F32 [n,d]
   * @param rate learning rate
   * @param sparsity factor of the variant's penalty, for its warm-up and for controlling L0
   */
  public Step step(Tensor x, double rate, double sparsity) {
    marked = System.nanoTime();
    try (Scope scope = Scope.open()) {
      Tensor decoderBias = weights.decoderBias().value();
      var input = StepInput.of(x, state.normalisation, decoderBias, config.variant().loss());
      mark(StepPart.INPUT);
      if (isDense()) return denseStep(input, rate, sparsity);
      Backward back = backward(input, sparsity);
      mark(StepPart.RECONSTRUCT);
      double l0 = recordActivity(back.code(), input.rows());
      if (config.variant().aux() > 0) back = withAuxK(back, input);
      mark(StepPart.RECONSTRUCT);
      update(rate).sparse(input, back);
      if (isResampling()) {
        resample(input.centred(), back.rows().narrow(0, 0, input.rows()).div(input.scales()));
      }
      return new Step(back.loss(), l0);
    }
  }

  private boolean isDense() {
    if (tensorsAlone || !config.device().equals(Device.CPU)) return true;
    return config.variant() instanceof SaeVariant.Relu relu
        && (state.density > DENSE || relu.ghost() && dead().length > 0);
  }

  /** Takes every step as on a device that is not the CPU. */
  SaeTrainer withTensorsAlone() {
    tensorsAlone = true;
    return this;
  }

  /** Rows of a dense product: on a device as many as a GiB holds, since each launch costs. */
  private long densePiece() {
    if (config.device().equals(Device.CPU)) return selector.piece();
    return Math.max(1, DEVICE_PRODUCT / config.features());
  }

  /** A step by dense products: the only ones that need no memory of the CPU. */
  private Step denseStep(StepInput input, double rate, double sparsity) {
    DenseBatch batch = DenseBatch.of(config, weights, input, densePiece());
    DenseGradients back = batch.gradients(sparsity);
    if (batch.cut() != null) state.moveThreshold((float) batch.cut().item());
    long[] ghosts = dead();
    double l0 = recordActivity(back.counts().toLongs(), input.rows());
    batch.revive(back, config.variant().aux() > 0 ? dead() : ghosts);
    mark(StepPart.RECONSTRUCT);
    update(rate).dense(back);
    if (isResampling()) resample(input.centred(), back.errors());
    return new Step(back.loss().item(), l0);
  }

  private SaeUpdate update(double rate) {
    return new SaeUpdate(weights, config.clip(), rate, ++state.steps, this::mark);
  }

  private Backward backward(StepInput input, double sparsity) {
    int n = input.rows();
    Tensor centred = input.centred();
    return switch (config.variant()) {
      case SaeVariant.TopK top ->
          Backward.plain(selector.topK(centred, top.k()), weights, input, 0);
      case SaeVariant.BatchTopK top ->
          Backward.plain(batchTopK(centred, n * top.k()), weights, input, 0);
      case SaeVariant.Matryoshka top ->
          Backward.nested(
              batchTopK(centred, n * top.k()), weights, input, top.bounds(config.features()));
      case SaeVariant.Relu relu -> {
        SparseCode code = selector.above(centred, Tensor.zeros(DType.F32, config.features()));
        yield Backward.plain(code, weights, input, relu.l1() * sparsity / n);
      }
      case SaeVariant.JumpRelu jump -> {
        float[] thresholds = weights.thresholds();
        Tensor bounds = Tensor.of(thresholds, thresholds.length).addInPlace(-jump.bandwidth() / 2);
        SparseCode near = selector.above(centred, bounds);
        yield Backward.jump(near, weights, input, jump.bandwidth(), jump.l0() * sparsity / n);
      }
    };
  }

  /** BatchTopK's code. Its smallest entry updates the threshold of inference. */
  private SparseCode batchTopK(Tensor centred, int count) {
    Selector.Cut largest = selector.largest(centred, count, CUT_MARGIN * state.cut);
    state.moveThreshold(largest.least());
    return largest.code();
  }

  /** Lets dead features explain the reconstruction error. */
  private Backward withAuxK(Backward back, StepInput input) {
    long[] dead = dead();
    if (dead.length == 0) return back;
    DenseBatch.Revival revival = DenseBatch.Revival.of(config, dead.length);
    SparseCode code = selector.topKOf(input.centred(), dead, revival.k());
    Tensor error = back.rows().div(input.scales()).mulInPlace(-1);
    Tensor scales = input.scales().mul(revival.weight());
    return back.withAuxK(code, error, scales, weights);
  }

  private long[] dead() {
    return state.dead(config.deadTokens());
  }

  private boolean isResampling() {
    return config.resampleSteps() > 0 && state.steps % config.resampleSteps() == 0;
  }

  private void resample(Tensor centred, Tensor errors) {
    long[] dead = dead();
    if (dead.length == 0) return;
    var random = new SplittableRandom(config.seed() ^ 0x9E3779B97F4A7C15L * state.steps);
    Resampling.apply(dead, centred, errors, weights, random);
    state.restart(dead);
    weights.restartThresholds(dead);
    weights.updateShortEncoder();
  }

  /** Records which features fired; returns L0. */
  private double recordActivity(SparseCode code, int n) {
    float[] values = code.values().toFloats();
    long[] indices = code.indices().to(DType.I64).toLongs();
    long[] counts = new long[config.features()];
    for (int e = 0; e < values.length; e++) if (values[e] > 0) counts[(int) indices[e]]++;
    return recordActivity(counts, n);
  }

  /** The same of the number of tokens on which each feature is active. */
  private double recordActivity(long[] counts, int n) {
    state.record(counts, n);
    long entries = LongStream.of(counts).sum();
    state.density = (double) entries / n / config.features();
    return (double) entries / n;
  }

  /** Number of steps done. */
  public int steps() {
    return state.steps;
  }

  /** A copy of the SAE, independent of further training. */
  public Sae snapshot() {
    SaeActivation activation =
        switch (config.variant()) {
          case SaeVariant.TopK top -> new SaeActivation.TopK(top.k());
          case SaeVariant.Relu relu -> new SaeActivation.Relu();
          case SaeVariant.JumpRelu jump -> new SaeActivation.JumpRelu(weights.thresholds());
          case SaeVariant.BatchTopK top -> sameThreshold();
          case SaeVariant.Matryoshka top -> sameThreshold();
        };
    return weights.sae(activation, state.normalisation);
  }

  private SaeActivation sameThreshold() {
    float[] thresholds = new float[config.features()];
    Arrays.fill(thresholds, (float) state.threshold);
    return new SaeActivation.JumpRelu(thresholds);
  }

  /** Writes the state that {@link #resume} continues from, bit by bit the same. */
  public void save(Path file) {
    state.save(file);
  }

  /**
   * Continues from what {@link #save} wrote.
   *
   * @throws io.clipsteer.data.InputException when the file is of another configuration
   */
  public void resume(Path file) {
    state.resume(file);
  }

  @Override
  public void close() {
    state.close();
  }
}
