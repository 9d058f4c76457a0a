// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.kernels.SparseKernels;
import io.clipsteer.kernels.SparseRows;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

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
   * @param normalisation of the input
   * @param encoderProduct F32: every activation exactly; BF16 (TopK alone): those that a bf16
   *     product ranks highest
   * @param clip longest gradient, over all weights together; 0 for any
   * @param deadTokens tokens after which a feature that has not fired counts as dead
   * @param seed of the initial weights
   */
  public record Config(
      SaeVariant variant,
      int width,
      int features,
      InputNormalisation normalisation,
      DType encoderProduct,
      double clip,
      long deadTokens,
      long seed) {
    /** Dead after a million tokens, where nothing else is said. */
    public static final long DEAD_TOKENS = 1_000_000;

    /** Without clipping. */
    public Config(
        SaeVariant variant,
        int width,
        int features,
        InputNormalisation normalisation,
        DType encoderProduct,
        long seed) {
      this(variant, width, features, normalisation, encoderProduct, 0, DEAD_TOKENS, seed);
    }

    /** Refuses what cannot be trained. */
    public Config {
      if (variant.k() > features) {
        throw new IllegalArgumentException("k = " + variant.k() + " of " + features + " features");
      }
      if (encoderProduct != DType.F32 && !(variant instanceof SaeVariant.TopK)) {
        throw new IllegalArgumentException(variant.spelling() + " with a short product");
      }
    }
  }

  /**
   * What a step saw.
   *
   * @param loss before the update, sparsity included
   * @param l0 active features a token
   */
  public record Step(double loss, double l0) {}

  /** What a step's time goes into. */
  public enum Part {
    /** Normalising and centring the activations. */
    INPUT,
    /** The encoder's dense product. */
    PRODUCT,
    /** The entries that count. */
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

  /** Share of active features above which dense products are faster. */
  private static final double DENSE = 0.1;

  private static final double FIRST_THRESHOLD = 0.01;
  private static final double THRESHOLD_RATE = 0.01;
  private static final float CUT_MARGIN = 0.7f;

  private final Config config;

  /** By features, [f,d]: the transpose of W_enc. */
  private final Weights encoder;

  private final Weights encoderBias;
  private final Weights decoder;
  private final Weights decoderBias;

  /** JumpReLU's, as logarithms. */
  private final @Nullable Weights logThresholds;

  private final @Nullable Tensor shortEncoder;
  private final Selector selector;

  /** Tokens since a feature last fired. */
  private final long[] quiet;

  private final boolean[] fired;
  private final long[] nanos = new long[Part.values().length];
  private long lap;
  private int steps;
  private double density = 0.5;
  private float cut;
  private double threshold;

  /**
   * A fresh SAE: decoder rows random unit vectors, encoder their transpose, b_enc 0, b_dec the mean
   * of the sample.
   *
   * @param sample activations to start from, F32 [n,d]
   */
  public SaeTrainer(Config config, Tensor sample) {
    this(config, randomRows(config), null, sample);
  }

  /** Goes on from an SAE's weights, which are copied. */
  public SaeTrainer(Config config, Sae start) {
    if (start.width() != config.width() || start.features() != config.features()) {
      throw new IllegalArgumentException("an SAE of another size");
    }
    this(config, start.decoder(), start, start.decoder());
  }

  private SaeTrainer(Config config, Tensor rows, @Nullable Sae start, Tensor sample) {
    this.config = config;
    this.quiet = new long[config.features()];
    this.fired = new boolean[config.features()];
    try (Scope scope = Scope.open()) {
      if (start == null) {
        decoder = Weights.of(rows.unit(), scope);
        encoder = Weights.of(rows.unit(), scope);
        encoderBias = Weights.of(Tensor.zeros(DType.F32, config.features()), scope);
        decoderBias = Weights.of(config.normalisation().apply(sample).z().mean(0, false), scope);
      } else {
        decoder = Weights.of(start.decoder().copy(), scope);
        encoder = Weights.of(start.encoder().transpose(0, 1).contiguous().copy(), scope);
        encoderBias = Weights.of(start.encoderBias().copy(), scope);
        decoderBias = Weights.of(start.decoderBias().copy(), scope);
      }
      logThresholds =
          config.variant() instanceof SaeVariant.JumpRelu
              ? Weights.of(firstThresholds(config, start), scope)
              : null;
      shortEncoder =
          config.encoderProduct() == DType.F32
              ? null
              : scope.release(encoder.value().to(DType.BF16));
    }
    if (start == null) rows.close();
    selector = new Selector(encoder.value(), encoderBias.value(), shortEncoder, this::lap);
  }

  private static Tensor firstThresholds(Config config, @Nullable Sae start) {
    float[] logs = new float[config.features()];
    Arrays.fill(logs, (float) Math.log(FIRST_THRESHOLD));
    if (start != null && start.activation() instanceof SaeActivation.JumpRelu jump) {
      for (int f = 0; f < logs.length; f++) {
        logs[f] = (float) Math.log(Math.max(1e-6, jump.thresholds()[f]));
      }
    }
    return Tensor.of(logs, logs.length);
  }

  private static Tensor randomRows(Config config) {
    SplittableRandom random = new SplittableRandom(config.seed());
    float[] numbers = new float[Math.multiplyExact(config.width(), config.features())];
    for (int i = 0; i < numbers.length; i++) numbers[i] = (float) random.nextGaussian();
    try (Scope scope = Scope.open()) {
      return scope.release(Tensor.of(numbers, config.features(), config.width()));
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
      var input = config.normalisation().apply(x);
      Tensor z = input.z().contiguous();
      Tensor centred = z.sub(decoderBias.value());
      Tensor scales = scales(x, input);
      lap(Part.INPUT);
      if (config.variant() instanceof SaeVariant.Relu relu && density > DENSE) {
        return dense(z, centred, scales, relu.l1() * sparsity / n, rate);
      }
      double[] toThresholds = new double[logThresholds == null ? 0 : config.features()];
      Backward back = followBack(z, centred, scales, sparsity, toThresholds);
      lap(Part.RECONSTRUCT);
      double l0 = note(back.code(), n);
      if (config.variant().aux() > 0) back = revive(back, centred, scales);
      lap(Part.RECONSTRUCT);
      update(centred, back, toThresholds, rate);
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
              decoder,
              decoderBias.value(),
              z,
              scales,
              groups(top.groups()));
      case SaeVariant.Relu relu -> {
        Tensor zeros = Tensor.zeros(DType.F32, config.features());
        yield plain(selector.above(centred, zeros), z, scales, relu.l1() * sparsity / n);
      }
      case SaeVariant.JumpRelu jump -> {
        float[] thresholds = thresholds();
        Tensor bounds = Tensor.of(thresholds, thresholds.length).addInPlace(-jump.bandwidth() / 2);
        yield Backward.jump(
            selector.above(centred, bounds),
            decoder,
            decoderBias.value(),
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
    return Backward.plain(code, decoder, decoderBias.value(), z, scales, penalty);
  }

  private float[] thresholds() {
    if (logThresholds == null) throw new IllegalStateException("no thresholds");
    float[] logs = logThresholds.value().toFloats();
    for (int f = 0; f < logs.length; f++) logs[f] = (float) Math.exp(logs[f]);
    return logs;
  }

  /** BatchTopK's code; its smallest entry moves the threshold that inference will use. */
  private SparseCode largest(Tensor centred, int count) {
    Selector.Cut largest = selector.largest(centred, count, CUT_MARGIN * cut);
    cut = largest.least();
    threshold = steps == 0 ? cut : threshold + THRESHOLD_RATE * (cut - threshold);
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
    List<Long> dead = new ArrayList<>();
    for (int f = 0; f < quiet.length; f++) if (quiet[f] >= config.deadTokens()) dead.add((long) f);
    if (dead.isEmpty()) return back;
    int k = Math.min(dead.size(), Math.max(1, config.width() / 2));
    SparseCode code =
        selector.topKOf(centred, dead.stream().mapToLong(Long::longValue).toArray(), k);
    double share = Math.min(1, dead.size() / Math.max(1.0, config.width() / 2.0));
    Tensor rest = back.rows().div(scales).mulInPlace(-1);
    return back.with(code, rest, scales.mul(config.variant().aux() * share), decoder);
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
    lap(Part.SORT);
    Tensor toEncoderBias = byFeature(order, back.codeGradient());
    Tensor toDecoderBias = back.toBias().sub(throughEncoder(toEncoderBias));
    Tensor toLogs = toLogs(toThresholds);
    lap(Part.REST);
    SparseKernels kernels = SparseKernels.best();
    int width = config.width();
    var listened = back.codeGradient().segment();
    var written = code.values().segment();
    double scale = 1;
    if (config.clip() > 0) {
      double squares =
          kernels.gradientSquares(inputs, listened, centred.segment(), width, null)
              + kernels.gradientSquares(
                  order, written, back.rows().segment(), width, decoder.value().segment());
      scale = clipping(squares, List.of(toEncoderBias, toDecoderBias, toLogs));
    }
    var adam =
        new SparseKernels.Adam(rate, Weights.BETA1, Weights.BETA2, Weights.EPS, steps, scale);
    kernels.adam(inputs, listened, centred.segment(), width, encoder.moments(), adam, false);
    kernels.adam(order, written, back.rows().segment(), width, decoder.moments(), adam, true);
    lap(Part.ADAM);
    rest(toEncoderBias, toDecoderBias, toLogs, scale, rate);
  }

  private Tensor throughEncoder(Tensor toEncoderBias) {
    return toEncoderBias
        .reshape(1, config.features())
        .matmul(encoder.value())
        .reshape(config.width());
  }

  /** Gradients of the logarithms: dL/dθ · θ. */
  private Tensor toLogs(double[] toThresholds) {
    float[] logs = new float[toThresholds.length];
    if (logs.length > 0) {
      float[] thresholds = thresholds();
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
    encoderBias.adam(toEncoderBias.mul(scale), rate, steps);
    decoderBias.adam(toDecoderBias.mul(scale), rate, steps);
    if (logThresholds != null) logThresholds.adam(toLogs.mul(scale), rate, steps);
    if (shortEncoder != null) shortEncoder.copyFrom(encoder.value());
    lap(Part.REST);
  }

  /** A ReLU SAE's step while most features are active: the same numbers by dense products. */
  private Step dense(Tensor z, Tensor centred, Tensor scales, double penalty, double rate) {
    int n = Math.toIntExact(z.size(0));
    int features = config.features();
    Tensor toEncoder = Tensor.zeros(DType.F32, features, config.width());
    Tensor toDecoder = Tensor.zeros(DType.F32, features, config.width());
    Tensor toEncoderBias = Tensor.zeros(DType.F32, features);
    Tensor toBias = Tensor.zeros(DType.F32, config.width());
    Tensor zeros = Tensor.zeros(DType.F32, features);
    double loss = 0;
    long active = 0;
    boolean[] seen = new boolean[features];
    for (long at = 0; at < n; at += selector.piece()) {
      try (Scope scope = Scope.open()) {
        long rows = Math.min(selector.piece(), n - at);
        Tensor input = centred.narrow(0, at, rows);
        Tensor code = input.linear(encoder.value(), encoderBias.value()).reluInPlace();
        Tensor error =
            code.matmul(decoder.value())
                .addInPlace(decoderBias.value())
                .subInPlace(z.narrow(0, at, rows));
        Tensor gradient = error.mul(scales.narrow(0, at, rows));
        loss += 0.5 * error.mul(gradient).sum(DType.F64).item();
        loss += penalty * code.sum(DType.F64).item();
        Tensor back =
            gradient
                .matmul(decoder.value().transpose(0, 1))
                .addInPlace(penalty)
                .whereAboveZero(code);
        toDecoder.addInPlace(code.transpose(0, 1).matmul(gradient));
        toEncoder.addInPlace(back.transpose(0, 1).matmul(input));
        toEncoderBias.addInPlace(back.sum(0, false, DType.F32));
        toBias.addInPlace(gradient.sum(0, false, DType.F32));
        active += SparseCode.above(code, zeros).entries();
        float[] sums = code.sum(0, false, DType.F32).toFloats();
        for (int f = 0; f < features; f++) seen[f] |= sums[f] > 0;
      }
    }
    lap(Part.RECONSTRUCT);
    steps++;
    Tensor along = toDecoder.mul(decoder.value()).sum(1, true, DType.F32);
    toDecoder.subInPlace(decoder.value().mul(along));
    Tensor toDecoderBias = toBias.sub(throughEncoder(toEncoderBias));
    double scale =
        config.clip() > 0
            ? clipping(0, List.of(toEncoder, toDecoder, toEncoderBias, toDecoderBias))
            : 1;
    encoder.adam(toEncoder.mulInPlace(scale), rate, steps);
    decoder.adam(toDecoder.mulInPlace(scale), rate, steps);
    decoder.value().copyFrom(decoder.value().unit());
    lap(Part.ADAM);
    rest(toEncoderBias, toDecoderBias, Tensor.zeros(DType.F32, 0), scale, rate);
    noteFired(seen, n);
    density = (double) active / n / features;
    return new Step(loss, (double) active / n);
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
    noteFired(seen, n);
    density = (double) active / n / config.features();
    return (double) active / n;
  }

  private void noteFired(boolean[] seen, int tokens) {
    for (int f = 0; f < seen.length; f++) {
      quiet[f] = seen[f] ? 0 : quiet[f] + tokens;
      fired[f] |= seen[f];
    }
  }

  /** Steps done. */
  public int steps() {
    return steps;
  }

  /** Share of features that fired at least once in training. */
  public double firedFraction() {
    int count = 0;
    for (boolean f : fired) if (f) count++;
    return (double) count / config.features();
  }

  /** The SAE as it stands, a copy that training no longer touches. */
  public Sae snapshot() {
    SaeActivation activation =
        switch (config.variant()) {
          case SaeVariant.TopK top -> new SaeActivation.TopK(top.k());
          case SaeVariant.Relu relu -> new SaeActivation.Relu();
          case SaeVariant.JumpRelu jump -> new SaeActivation.JumpRelu(thresholds());
          case SaeVariant.BatchTopK top -> sameThreshold();
          case SaeVariant.Matryoshka top -> sameThreshold();
        };
    try (Scope scope = Scope.open()) {
      return new Sae(
          activation,
          config.normalisation(),
          scope.release(encoder.value().transpose(0, 1).contiguous()),
          scope.release(encoderBias.value().copy()),
          scope.release(decoder.value().copy()),
          scope.release(decoderBias.value().copy()),
          true);
    }
  }

  private SaeActivation sameThreshold() {
    float[] thresholds = new float[config.features()];
    Arrays.fill(thresholds, (float) threshold);
    return new SaeActivation.JumpRelu(thresholds);
  }

  // ---- state ----------------------------------------------------------------------------------

  private Map<String, Weights> weights() {
    Map<String, Weights> weights = new LinkedHashMap<>();
    weights.put("encoder", encoder);
    weights.put("encoder_bias", encoderBias);
    weights.put("decoder", decoder);
    weights.put("decoder_bias", decoderBias);
    if (logThresholds != null) weights.put("log_thresholds", logThresholds);
    return weights;
  }

  /** Writes everything that {@link #resume} needs to go on as if nothing had happened. */
  public void save(Path file) {
    List<StoredTensor> tensors = new ArrayList<>();
    weights()
        .forEach(
            (name, w) -> {
              tensors.add(stored(name, DType.F32, w.value()));
              tensors.add(stored(name + ".first", DType.F32, w.first()));
              tensors.add(stored(name + ".second", DType.F32, w.second()));
            });
    long[] firedOnce = new long[fired.length];
    for (int f = 0; f < fired.length; f++) firedOnce[f] = fired[f] ? 1 : 0;
    try (Scope scope = Scope.open()) {
      tensors.add(stored("quiet", DType.I64, Tensor.of(quiet, quiet.length)));
      tensors.add(stored("fired", DType.I64, Tensor.of(firedOnce, firedOnce.length)));
      SafeTensors.write(
          file,
          tensors,
          Map.of(
              "steps", Integer.toString(steps),
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
    try (TensorFile stored = SafeTensors.open(file);
        Scope scope = Scope.open()) {
      weights()
          .forEach(
              (name, w) -> {
                w.value().copyFrom(tensor(stored, name, DType.F32, w.value().shape()));
                w.first().copyFrom(tensor(stored, name + ".first", DType.F32, w.value().shape()));
                w.second().copyFrom(tensor(stored, name + ".second", DType.F32, w.value().shape()));
              });
      long[] since = tensor(stored, "quiet", DType.I64, quiet.length).toLongs();
      System.arraycopy(since, 0, quiet, 0, quiet.length);
      long[] once = tensor(stored, "fired", DType.I64, fired.length).toLongs();
      for (int f = 0; f < fired.length; f++) fired[f] = once[f] != 0;
      Map<String, String> notes = stored.metadata();
      steps = Integer.parseInt(notes.getOrDefault("steps", ""));
      density = Double.parseDouble(notes.getOrDefault("density", ""));
      cut = Float.parseFloat(notes.getOrDefault("cut", ""));
      threshold = Double.parseDouble(notes.getOrDefault("threshold", ""));
    } catch (NumberFormatException e) {
      throw new InputException(file, "is no state of a training", "Train afresh", e);
    }
    if (shortEncoder != null) shortEncoder.copyFrom(encoder.value());
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
    weights().values().forEach(Weights::close);
    if (shortEncoder != null) shortEncoder.close();
  }
}
