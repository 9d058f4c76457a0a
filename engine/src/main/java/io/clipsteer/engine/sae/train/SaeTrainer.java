// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.StateFile;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.engine.sae.Selector;
import io.clipsteer.engine.sae.SparseCode;
import io.clipsteer.engine.sae.StepPart;
import io.clipsteer.kernels.SparseKernels;
import io.clipsteer.kernels.SparseRows;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Trains one SAE, with hand-written gradients: parameters, Adam's moments, and which features have
 * fired.
 *
 * <p>Only active features are decoded and followed back; the one dense product is the encoder's. It
 * may run in bf16: then it only proposes features, whose activations are computed exactly. A ReLU
 * SAE is trained by dense products as long as more than one feature in ten is active.
 *
 * <p>Decoder rows stay unit vectors: the gradient's part along them is removed, and they are
 * brought back to length 1 after every step (as ViT-Prisma and saev do).
 */
public final class SaeTrainer implements AutoCloseable {
  /**
   * What is trained and how.
   *
   * @param variant what keeps the code sparse
   * @param width d
   * @param features f
   * @param normalisation of the input, fitted to the sample
   * @param encoderProduct F32: every activation exactly; BF16 (TopK alone): those that a bf16
   *     product ranks highest
   * @param clip longest gradient, over all weights together; 0 for any
   * @param deadTokens tokens after which a feature that has not fired counts as dead
   * @param resampleSteps steps between two resamplings of dead features ({@link Resampling}); 0 for
   *     none
   * @param centre where b_dec begins
   * @param seed of the initial weights
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
      long seed) {
    /** Dead after a million tokens, where nothing else is said. */
    public static final long DEAD_TOKENS = 1_000_000;

    /** Without clipping and resampling, from the mean. */
    public Config(
        SaeVariant variant,
        int width,
        int features,
        InputNormalisation.Kind normalisation,
        DType encoderProduct,
        long seed) {
      this(
          variant,
          width,
          features,
          normalisation,
          encoderProduct,
          0,
          DEAD_TOKENS,
          0,
          Centre.MEAN,
          seed);
    }

    /** Refuses what cannot be trained. */
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
  }

  /** Where b_dec begins: what of the sample. */
  public enum Centre {
    /** Its mean. */
    MEAN,
    /** Its geometric median: the point whose distances to all of it have the least sum. */
    MEDIAN;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * What a step saw.
   *
   * @param loss before the update, sparsity included
   * @param l0 active features a token
   */
  public record Step(double loss, double l0) {}

  /** Share of active features above which dense products are faster. */
  private static final double DENSE = 0.1;

  private static final double THRESHOLD_RATE = 0.01;

  /** The mean reaches back over a tenth of the steps, until that is as long as the rate's. */
  private static final double THRESHOLD_STEPS = 10;

  private static final float CUT_MARGIN = 0.7f;

  private final Config config;
  private InputNormalisation normalisation;

  private final SaeWeights weights;
  private final Selector selector;
  private final Firing firing;
  private final long[] nanos = new long[StepPart.values().length];
  private long lap;
  private int steps;
  private double density = 0.5;
  private float cut;
  private double threshold;

  /**
   * A fresh SAE: decoder rows random unit vectors, encoder their transpose, b_enc 0, b_dec in the
   * middle of the sample.
   *
   * @param sample activations to start from, F32 [n,d]
   */
  public SaeTrainer(Config config, Tensor sample) {
    this.config = config;
    this.normalisation = config.normalisation().fitted(sample);
    try (Scope scope = Scope.open()) {
      this.weights = SaeWeights.fresh(config, normalisation.apply(sample).z());
    }
    this.firing = new Firing(config.features(), config.deadTokens());
    this.selector = selector();
  }

  /**
   * Goes on from an SAE's weights, which are copied. Their units are those of the SAE's own
   * normalisation, so that none can be fitted.
   */
  public SaeTrainer(Config config, Sae start) {
    if (config.normalisation() == InputNormalisation.Kind.STANDARDISE) {
      throw new IllegalArgumentException("an SAE that is there already, standardised");
    }
    if (start.width() != config.width() || start.features() != config.features()) {
      throw new IllegalArgumentException("an SAE of another size");
    }
    this.config = config;
    this.normalisation = config.normalisation().fitted(start.decoder());
    this.weights = SaeWeights.of(config, start);
    this.firing = new Firing(config.features(), config.deadTokens());
    this.selector = selector();
  }

  private Selector selector() {
    return new Selector(
        weights.encoder().value(),
        weights.encoderBias().value(),
        weights.shortEncoder(),
        this::lap);
  }

  /** The time since the last call belongs to {@code part}. */
  private void lap(StepPart part) {
    long now = System.nanoTime();
    nanos[part.ordinal()] += now - lap;
    lap = now;
  }

  /** Seconds spent so far in each part of all steps. */
  public Map<StepPart, Double> seconds() {
    Map<StepPart, Double> seconds = new EnumMap<>(StepPart.class);
    for (StepPart part : StepPart.values()) seconds.put(part, nanos[part.ordinal()] * 1e-9);
    return seconds;
  }

  /** {@link #step(Tensor, double, double)} with the whole of the variant's sparsity penalty. */
  public Step step(Tensor x, double rate) {
    return step(x, rate, 1);
  }

  /**
   * One update.
   *
   * @param x activations, F32 [n,d]
   * @param rate Adam's step
   * @param sparsity factor of the variant's penalty, for warming it up and for controlling L0
   */
  public Step step(Tensor x, double rate, double sparsity) {
    lap = System.nanoTime();
    try (Scope scope = Scope.open()) {
      int n = Math.toIntExact(x.size(0));
      var input = normalisation.apply(x);
      Tensor z = input.z().contiguous();
      Tensor centred = z.sub(weights.decoderBias().value());
      Tensor scales = scales(x, input);
      lap(StepPart.INPUT);
      if (config.variant() instanceof SaeVariant.Relu relu
          && (density > DENSE || relu.ghost() && firing.dead().length > 0)) {
        return dense(z, centred, scales, input.scale(), relu.l1() * sparsity / n, rate);
      }
      double[] toThresholds = new double[weights.logThresholds() == null ? 0 : config.features()];
      Backward back = followBack(z, centred, scales, sparsity, toThresholds);
      lap(StepPart.RECONSTRUCT);
      double l0 = note(back.code(), n);
      if (config.variant().aux() > 0) back = revive(back, centred, scales);
      lap(StepPart.RECONSTRUCT);
      update(centred, back, toThresholds, rate);
      if (isResampling()) resample(centred, back.rows().narrow(0, 0, n).div(scales));
      return new Step(back.loss(), l0);
    }
  }

  /** dL/dẑ for an error of 1 in each token: F32 [n,1]. */
  private Tensor scales(Tensor x, InputNormalisation.Normalised input) {
    long n = x.size(0);
    double each = 2.0 / ((double) n * config.width());
    SaeVariant.Loss loss =
        config.variant() instanceof SaeVariant.Relu relu ? relu.loss() : SaeVariant.Loss.MSE;
    return switch (loss) {
      case MSE -> Tensor.zeros(DType.F32, n, 1).addInPlace(each);
      case PAPER -> {
        Tensor away = x.sub(x.mean(0, true)).norm(1).clampMinInPlace(1e-8);
        Tensor square = input.scale().mul(input.scale());
        yield Tensor.zeros(DType.F32, n, 1).addInPlace(each).mulInPlace(square).divInPlace(away);
      }
      case FVU -> {
        Tensor away = input.z().sub(input.z().mean(0, true));
        double variance = Math.max(1e-12, away.mul(away).sum(DType.F64).item());
        yield Tensor.zeros(DType.F32, n, 1).addInPlace(2 / variance);
      }
    };
  }

  private Backward followBack(
      Tensor z, Tensor centred, Tensor scales, double sparsity, double[] toThresholds) {
    int n = Math.toIntExact(z.size(0));
    return switch (config.variant()) {
      case SaeVariant.TopK top -> plain(selector.topK(centred, top.k()), z, scales, 0);
      case SaeVariant.BatchTopK top -> plain(largest(centred, n * top.k()), z, scales, 0);
      case SaeVariant.Matryoshka top ->
          Backward.nested(
              largest(centred, n * top.k()),
              weights.decoder(),
              weights.decoderBias().value(),
              z,
              scales,
              groups(top.groups()));
      case SaeVariant.Relu relu -> {
        Tensor zeros = Tensor.zeros(DType.F32, config.features());
        yield plain(selector.above(centred, zeros), z, scales, relu.l1() * sparsity / n);
      }
      case SaeVariant.JumpRelu jump -> {
        float[] thresholds = weights.thresholds();
        Tensor bounds = Tensor.of(thresholds, thresholds.length).addInPlace(-jump.bandwidth() / 2);
        yield Backward.jump(
            selector.above(centred, bounds),
            weights.decoder(),
            weights.decoderBias().value(),
            z,
            scales,
            thresholds,
            jump.bandwidth(),
            jump.l0() * sparsity / n,
            toThresholds);
      }
    };
  }

  private Backward plain(SparseCode code, Tensor z, Tensor scales, double penalty) {
    return Backward.plain(
        code, weights.decoder(), weights.decoderBias().value(), z, scales, penalty);
  }

  /** BatchTopK's code; its smallest entry moves the threshold that inference will use. */
  private SparseCode largest(Tensor centred, int count) {
    Selector.Cut largest = selector.largest(centred, count, CUT_MARGIN * cut);
    cut = largest.least();
    // In a short training a slow mean would still remember its first steps.
    double rate = Math.max(THRESHOLD_RATE, THRESHOLD_STEPS / (steps + THRESHOLD_STEPS));
    threshold += rate * (cut - threshold);
    return largest.code();
  }

  /** The first feature that each of Matryoshka's groups does not have. */
  private int[] groups(int groups) {
    int[] bounds = new int[groups];
    for (int g = 0; g < groups; g++) {
      bounds[g] = Math.max(1, config.features() >> (groups - 1 - g));
    }
    return bounds;
  }

  /** Dead features are given the error to explain (AuxK). */
  private Backward revive(Backward back, Tensor centred, Tensor scales) {
    long[] dead = firing.dead();
    if (dead.length == 0) return back;
    int k = Math.min(dead.length, Math.max(1, config.width() / 2));
    SparseCode code = selector.topKOf(centred, dead, k);
    double share = Math.min(1, dead.length / Math.max(1.0, config.width() / 2.0));
    Tensor rest = back.rows().div(scales).mulInPlace(-1);
    return back.with(code, rest, scales.mul(config.variant().aux() * share), weights.decoder());
  }

  private boolean isResampling() {
    return config.resampleSteps() > 0 && steps % config.resampleSteps() == 0;
  }

  /** Gives dead features a new start. */
  private void resample(Tensor centred, Tensor errors) {
    long[] dead = firing.dead();
    if (dead.length == 0) return;
    var random = new SplittableRandom(config.seed() ^ 0x9E3779B97F4A7C15L * steps);
    Resampling.apply(
        dead, centred, errors, weights.encoder(), weights.encoderBias(), weights.decoder(), random);
    firing.restart(dead);
    weights.restartThresholds(dead);
    weights.shorten();
  }

  private void update(Tensor centred, Backward back, double[] toThresholds, double rate) {
    steps++;
    SparseCode code = back.code();
    int n = Math.toIntExact(centred.size(0));
    SparseRows.ByColumn order = code.sparse(config.features()).byColumn();
    SparseRows.ByColumn inputs = order;
    if (code.rows() > n) {
      int[] rows = order.row().clone();
      for (int i = 0; i < rows.length; i++) rows[i] %= n;
      inputs = new SparseRows.ByColumn(order.starts(), order.entry(), rows);
    }
    lap(StepPart.SORT);
    Tensor toEncoderBias = byFeature(order, back.codeGradient());
    Tensor toDecoderBias = back.toBias().sub(throughEncoder(toEncoderBias));
    Tensor toLogs = toLogs(toThresholds);
    lap(StepPart.REST);
    SparseKernels kernels = SparseKernels.best();
    int width = config.width();
    var listened = back.codeGradient().segment();
    var written = code.values().segment();
    double scale = 1;
    if (config.clip() > 0) {
      double squares =
          kernels.gradientSquares(inputs, listened, centred.segment(), width, null)
              + kernels.gradientSquares(
                  order,
                  written,
                  back.rows().segment(),
                  width,
                  weights.decoder().value().segment());
      scale = clipping(squares, List.of(toEncoderBias, toDecoderBias, toLogs));
    }
    var adam =
        new SparseKernels.Adam(rate, Weights.BETA1, Weights.BETA2, Weights.EPS, steps, scale);
    kernels.adam(
        inputs, listened, centred.segment(), width, weights.encoder().moments(), adam, false);
    kernels.adam(
        order, written, back.rows().segment(), width, weights.decoder().moments(), adam, true);
    lap(StepPart.ADAM);
    rest(toEncoderBias, toDecoderBias, toLogs, scale, rate);
  }

  private Tensor throughEncoder(Tensor toEncoderBias) {
    return toEncoderBias
        .reshape(1, config.features())
        .matmul(weights.encoder().value())
        .reshape(config.width());
  }

  /** Gradients of the logarithms: dL/dθ · θ. */
  private Tensor toLogs(double[] toThresholds) {
    float[] logs = new float[toThresholds.length];
    if (logs.length > 0) {
      float[] thresholds = weights.thresholds();
      for (int f = 0; f < logs.length; f++) logs[f] = (float) (toThresholds[f] * thresholds[f]);
    }
    return Tensor.of(logs, logs.length);
  }

  private double clipping(double squares, List<Tensor> others) {
    double all = squares;
    for (Tensor other : others) all += other.mul(other).sum(DType.F64).item();
    double norm = Math.sqrt(all);
    return norm > config.clip() ? config.clip() / norm : 1;
  }

  private void rest(
      Tensor toEncoderBias, Tensor toDecoderBias, Tensor toLogs, double scale, double rate) {
    weights.encoderBias().adam(toEncoderBias.mul(scale), rate, steps);
    weights.decoderBias().adam(toDecoderBias.mul(scale), rate, steps);
    Weights logThresholds = weights.logThresholds();
    if (logThresholds != null) logThresholds.adam(toLogs.mul(scale), rate, steps);
    weights.shorten();
    lap(StepPart.REST);
  }

  /** A ReLU SAE's step by dense products. */
  private Step dense(
      Tensor z, Tensor centred, Tensor scales, Tensor sigma, double l1, double rate) {
    int n = Math.toIntExact(z.size(0));
    DenseRelu back =
        DenseRelu.of(
            selector.piece(),
            weights.encoder().value(),
            weights.encoderBias().value(),
            weights.decoder().value(),
            weights.decoderBias().value(),
            z,
            centred,
            scales,
            l1);
    long[] dead = firing.dead();
    if (config.variant() instanceof SaeVariant.Relu relu && relu.ghost() && dead.length > 0) {
      double reconstruction =
          0.5 * back.errors().mul(back.errors()).mulInPlace(scales).sum(DType.F64).item();
      back =
          back.withGhosts(
              dead,
              selector.piece(),
              weights.encoder().value(),
              weights.encoderBias().value(),
              weights.decoder().value(),
              centred,
              sigma,
              reconstruction);
    }
    lap(StepPart.RECONSTRUCT);
    steps++;
    Tensor toDecoder = back.toDecoder();
    Tensor along = toDecoder.mul(weights.decoder().value()).sum(1, true, DType.F32);
    toDecoder.subInPlace(weights.decoder().value().mul(along));
    Tensor toEncoder = back.toEncoder();
    Tensor toEncoderBias = back.toEncoderBias();
    Tensor toDecoderBias = back.toBias().sub(throughEncoder(toEncoderBias));
    double scale =
        config.clip() > 0
            ? clipping(0, List.of(toEncoder, toDecoder, toEncoderBias, toDecoderBias))
            : 1;
    weights.encoder().adam(toEncoder.mulInPlace(scale), rate, steps);
    weights.decoder().adam(toDecoder.mulInPlace(scale), rate, steps);
    weights.decoder().value().copyFrom(weights.decoder().value().unit());
    lap(StepPart.ADAM);
    rest(toEncoderBias, toDecoderBias, Tensor.zeros(DType.F32, 0), scale, rate);
    firing.note(back.seen(), n);
    density = (double) back.active() / n / config.features();
    if (isResampling()) resample(centred, back.errors());
    return new Step(back.loss(), (double) back.active() / n);
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

  private double note(SparseCode code, int n) {
    float[] values = code.values().toFloats();
    long[] indices = code.indices().to(DType.I64).toLongs();
    boolean[] seen = new boolean[config.features()];
    long active = 0;
    for (int e = 0; e < values.length; e++) {
      if (values[e] <= 0) continue;
      active++;
      seen[(int) indices[e]] = true;
    }
    firing.note(seen, n);
    density = (double) active / n / config.features();
    return (double) active / n;
  }

  /** Steps done. */
  public int steps() {
    return steps;
  }

  /** Share of features that fired at least once in training. */
  public double firedFraction() {
    return firing.share();
  }

  /** The SAE as it stands, a copy that training no longer touches. */
  public Sae snapshot() {
    SaeActivation activation =
        switch (config.variant()) {
          case SaeVariant.TopK top -> new SaeActivation.TopK(top.k());
          case SaeVariant.Relu relu -> new SaeActivation.Relu();
          case SaeVariant.JumpRelu jump -> new SaeActivation.JumpRelu(weights.thresholds());
          case SaeVariant.BatchTopK top -> sameThreshold();
          case SaeVariant.Matryoshka top -> sameThreshold();
        };
    return weights.sae(activation, normalisation);
  }

  private SaeActivation sameThreshold() {
    float[] thresholds = new float[config.features()];
    Arrays.fill(thresholds, (float) threshold);
    return new SaeActivation.JumpRelu(thresholds);
  }

  // ---- state ----------------------------------------------------------------------------------

  /** Writes everything that {@link #resume} needs to go on as if nothing had happened. */
  public void save(Path file) {
    List<StoredTensor> tensors = new ArrayList<>();
    weights
        .named()
        .forEach(
            (name, w) -> {
              tensors.add(stored(name, DType.F32, w.value()));
              tensors.add(stored(name + ".first", DType.F32, w.first()));
              tensors.add(stored(name + ".second", DType.F32, w.second()));
            });
    int features = config.features();
    try (Scope scope = Scope.open()) {
      tensors.add(stored("quiet", DType.I64, Tensor.of(firing.quiet(), features)));
      tensors.add(stored("fired", DType.I64, Tensor.of(firing.fired(), features)));
      double scale = 0;
      if (normalisation instanceof InputNormalisation.Standardise standard) {
        tensors.add(
            stored("input_mean", DType.F32, Tensor.of(standard.mean(), standard.mean().length)));
        scale = standard.scale();
      }
      StateFile.write(
          file,
          tensors,
          Map.of(
              "steps", Integer.toString(steps),
              "input_scale", Double.toHexString(scale),
              "density", Double.toHexString(density),
              "cut", Float.toHexString(cut),
              "threshold", Double.toHexString(threshold)));
    }
  }

  private static StoredTensor stored(String name, DType dtype, Tensor tensor) {
    return new StoredTensor(name, dtype, tensor.shape(), tensor.segment());
  }

  /** Takes over what {@link #save} wrote, of a trainer of the same configuration. */
  public void resume(Path file) {
    try (TensorFile stored = StateFile.open(file);
        Scope scope = Scope.open()) {
      weights
          .named()
          .forEach(
              (name, w) -> {
                w.value().copyFrom(tensor(stored, name, DType.F32, w.value().shape()));
                w.first().copyFrom(tensor(stored, name + ".first", DType.F32, w.value().shape()));
                w.second().copyFrom(tensor(stored, name + ".second", DType.F32, w.value().shape()));
              });
      firing.restore(
          tensor(stored, "quiet", DType.I64, config.features()).toLongs(),
          tensor(stored, "fired", DType.I64, config.features()).toLongs());
      Map<String, String> notes = stored.metadata();
      if (normalisation instanceof InputNormalisation.Standardise) {
        normalisation =
            new InputNormalisation.Standardise(
                tensor(stored, "input_mean", DType.F32, config.width()).toFloats(),
                Double.parseDouble(notes.getOrDefault("input_scale", "")));
      }
      steps = Integer.parseInt(notes.getOrDefault("steps", ""));
      density = Double.parseDouble(notes.getOrDefault("density", ""));
      cut = Float.parseFloat(notes.getOrDefault("cut", ""));
      threshold = Double.parseDouble(notes.getOrDefault("threshold", ""));
    } catch (NumberFormatException e) {
      throw new InputException(file, "is no state of a training", "Train afresh", e);
    }
    weights.shorten();
  }

  private static Tensor tensor(TensorFile file, String name, DType dtype, long... shape) {
    StoredTensor stored = file.get(name);
    if (stored.dtype() != dtype || !Arrays.equals(stored.shape(), shape)) {
      throw new InputException(
          file.path(),
          "tensor " + name + " is " + Arrays.toString(stored.shape()),
          "This state is of another configuration: train afresh");
    }
    return Tensor.of(stored);
  }

  @Override
  public void close() {
    weights.close();
  }
}
