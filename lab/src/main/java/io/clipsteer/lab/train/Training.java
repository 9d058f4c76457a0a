// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.engine.sae.format.StoredSae;
import io.clipsteer.engine.sae.train.SaeTrainer;
import io.clipsteer.engine.sae.train.SaeVariant;
import io.clipsteer.lab.run.Reconstruction;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Trains any number of SAEs in one pass over the same tokens. Everything that a step depends on is
 * in the trainers, the control of each penalty, and the number of the step.
 */
public final class Training {
  /**
   * What is trained on what.
   *
   * @param saes which SAEs, at least one, of different names
   * @param tokens which tokens
   * @param normalisation of their input
   * @param encoderProduct F32, or BF16 for a faster product that only proposes features
   * @param expansion features for each dimension
   * @param trainTokens tokens to train on, repetitions counted
   * @param batch tokens a step
   * @param schedule of learning rate and penalty
   * @param clip longest gradient of an SAE, 0 for any
   * @param deadTokens tokens after which a feature that has not fired counts as dead
   * @param resampleSteps steps between two resamplings of dead features, 0 for none
   * @param centre where b_dec begins
   * @param seed of weights and order
   * @param bufferBytes memory for activations, where they come straight from images
   * @param start folder of an SAE to go on from, or null for fresh ones
   */
  public record Config(
      List<SaeSpec> saes,
      TokenSelection tokens,
      InputNormalisation.Kind normalisation,
      DType encoderProduct,
      int expansion,
      long trainTokens,
      int batch,
      Schedule schedule,
      double clip,
      long deadTokens,
      int resampleSteps,
      SaeTrainer.Centre centre,
      long seed,
      long bufferBytes,
      @Nullable Path start) {

    /** Keeps a copy. */
    public Config {
      saes = List.copyOf(saes);
      if (saes.isEmpty()) throw new IllegalArgumentException("no SAE");
      if (saes.stream().map(SaeSpec::name).distinct().count() < saes.size()) {
        throw new InputException("--sae", "the same SAE twice", "Name each once");
      }
    }

    /** One SAE by an ordinary schedule, without clipping. */
    public static Config of(
        SaeSpec sae,
        TokenSelection tokens,
        int expansion,
        long trainTokens,
        int batch,
        double rate,
        long seed,
        long bufferBytes) {
      return new Config(
          List.of(sae),
          tokens,
          InputNormalisation.Kind.LAYER_NORM,
          DType.F32,
          expansion,
          trainTokens,
          batch,
          new Schedule(rate),
          0,
          SaeTrainer.Config.DEAD_TOKENS,
          0,
          SaeTrainer.Centre.MEAN,
          seed,
          bufferBytes,
          null);
    }

    /** The hook points, each once. */
    public List<HookPoint> points() {
      return saes.stream().map(SaeSpec::point).distinct().toList();
    }

    /** Number of updates. */
    public long steps() {
      return Math.max(1, trainTokens / batch);
    }
  }

  /** One line of the training curve; {@code sae} counts from 0. */
  public record Point(long step, long tokens, int sae, double loss, double l0, double factor) {}

  /**
   * One finished SAE.
   *
   * @param factor what its penalty was multiplied by at the end
   * @param features number of its features
   * @param quality on the images kept aside
   */
  public record Trained(SaeSpec spec, double factor, int features, Reconstruction quality) {}

  /**
   * What came out.
   *
   * @param saes in the configuration's order
   * @param images images trained on
   * @param evaluationImages images kept aside
   * @param skipped images left out
   * @param harvestTokensPerSecond from files to activations, of one hook point; 0 from a store
   * @param trainTokensPerSecond of the SAEs' own steps: a token counts once for each SAE
   * @param seconds for everything
   */
  public record Result(
      List<Trained> saes,
      long images,
      long evaluationImages,
      List<ImageLoader.Skipped> skipped,
      double harvestTokensPerSecond,
      double trainTokensPerSecond,
      double seconds) {}

  private static final int CURVE_EVERY = 10;
  private static final double L0_MEMORY = 0.95;
  private static final double DAMPING = 2;

  private final Config config;
  private final Feed feed;
  private final Progress progress;
  private final List<SaeTrainer> trainers = new ArrayList<>();
  private final double[] factors;
  private final double[] l0;
  private long step;
  private long nanos;
  private long trained;

  private Training(Config config, Feed feed, Progress progress) {
    this.config = config;
    this.feed = feed;
    this.progress = progress;
    this.factors = new double[config.saes().size()];
    this.l0 = new double[factors.length];
    Arrays.fill(factors, 1);
  }

  /** Saves the state of a training now and then; an uninterrupted run does not depend on it. */
  interface Keeper {
    /** The state to go on from, or null to start afresh. */
    @Nullable State begun();

    /** Whether it is time. */
    boolean isDue();

    /** Keeps a state. */
    void keep(State state, List<SaeTrainer> trainers);

    /** Reads a trainer's part of the state. */
    void restore(int sae, SaeTrainer trainer);
  }

  /**
   * What is not in the trainers.
   *
   * @param step updates done
   * @param factors of the penalties
   * @param l0 smoothed, of each SAE
   */
  record State(long step, double[] factors, double[] l0) {
    State {
      Objects.requireNonNull(factors);
      Objects.requireNonNull(l0);
    }
  }

  /**
   * Trains.
   *
   * @param curve is told loss and L0 now and then
   * @param finished takes each SAE when all are trained, and closes nothing
   */
  static Result run(
      Config config,
      Feed feed,
      Keeper keeper,
      Progress progress,
      Consumer<Point> curve,
      SaeSink finished) {
    long start = System.nanoTime();
    Training training = new Training(config, feed, progress);
    try {
      training.begin(keeper);
      training.train(keeper, curve);
      return training.finish(finished, start);
    } finally {
      training.trainers.forEach(SaeTrainer::close);
    }
  }

  /** Takes finished SAEs. */
  interface SaeSink {
    /** One SAE; the caller closes it afterwards. */
    void take(Trained trained, Sae sae);
  }

  /** Throws unless width and number of features can be trained. */
  static void check(Config config, int width) {
    long features = (long) width * config.expansion();
    for (SaeSpec spec : config.saes()) {
      if (spec.variant().k() > features || features * width > Integer.MAX_VALUE) {
        throw new InputException(
            spec.variant().spelling(),
            features + " features (width " + width + " × expansion " + config.expansion() + ")",
            "Choose k at most the features, and an expansion that fits into memory");
      }
    }
    String all =
        config.saes().stream()
            .map(spec -> spec.variant().spelling())
            .distinct()
            .collect(Collectors.joining(", "));
    if (config.encoderProduct() != DType.F32
        && config.saes().stream().noneMatch(spec -> hasProduct(spec.variant()))) {
      throw new InputException(
          all, "cannot be trained with a bf16 encoder product", "Leave --encoder-product out");
    }
    if (config.resampleSteps() > 0
        && config.saes().stream().noneMatch(spec -> isResampled(spec.variant()))) {
      throw new InputException(all, "cannot be resampled", "Leave --resample-steps out");
    }
  }

  /** Whether {@code encoderProduct} has a use; the others' product is F32. */
  private static boolean hasProduct(SaeVariant variant) {
    return variant instanceof SaeVariant.TopK;
  }

  /** Whether {@code resampleSteps} has a use; the others are not resampled. */
  private static boolean isResampled(SaeVariant variant) {
    return !(variant instanceof SaeVariant.Matryoshka);
  }

  /**
   * The seed of an SAE's weights: by its name, so that one of many is the same as alone. SAEs that
   * began with the same weights would, for a good part, stay alike: two layers seemed to share
   * features that they only started from.
   */
  private long seed(SaeSpec spec) {
    return new SplittableRandom(config.seed() ^ (long) spec.name().hashCode() << 32).nextLong();
  }

  private void begin(Keeper keeper) {
    int features = Math.multiplyExact(feed.width(), config.expansion());
    for (SaeSpec spec : config.saes()) {
      SaeTrainer.Config own =
          new SaeTrainer.Config(
              spec.variant(),
              feed.width(),
              features,
              config.normalisation(),
              hasProduct(spec.variant()) ? config.encoderProduct() : DType.F32,
              config.clip(),
              config.deadTokens(),
              isResampled(spec.variant()) ? config.resampleSteps() : 0,
              config.centre(),
              seed(spec));
      try (Scope scope = Scope.open()) {
        trainers.add(config.start() == null ? fresh(own, spec) : tuned(own, spec, config.start()));
      }
    }
    State begun = keeper.begun();
    if (begun == null) return;
    for (int i = 0; i < trainers.size(); i++) keeper.restore(i, trainers.get(i));
    System.arraycopy(begun.factors(), 0, factors, 0, factors.length);
    System.arraycopy(begun.l0(), 0, l0, 0, l0.length);
    step = begun.step();
  }

  private SaeTrainer fresh(SaeTrainer.Config own, SaeSpec spec) {
    Tensor sample = feed.sample(config.points().indexOf(spec.point()));
    if (!sample.isFinite()) throw notFinite(spec);
    return new SaeTrainer(own, sample);
  }

  private static InputException notFinite(SaeSpec spec) {
    return new InputException(
        spec.point(),
        "the activations to train on hold NaN or infinity",
        "No setting of training is to blame: store verify names the image; harvest them again");
  }

  /** Says why a loss is not finite, after a look at what it was computed from. */
  private InputException diverged(SaeSpec spec, double loss) {
    try (Scope scope = Scope.open()) {
      if (!feed.rows(config.points().indexOf(spec.point())).isFinite()) return notFinite(spec);
    }
    return new InputException(
        spec.name(),
        "the loss became " + loss + " at step " + step + " on finite activations",
        "Training diverged: lower --lr");
  }

  private SaeTrainer tuned(SaeTrainer.Config own, SaeSpec spec, Path folder) {
    try (StoredSae stored = SaeFiles.open(folder)) {
      Sae sae = stored.sae();
      String hook = stored.claims().hookName();
      if (hook != null && !hook.equals(spec.point().peerName())) {
        throw new InputException(
            folder,
            "is an SAE at " + hook + ", and the training reads " + spec.point(),
            "Train at its own hook point, or name the folder of an SAE at " + spec.point());
      }
      if (sae.width() != own.width() || sae.features() != own.features()) {
        throw new InputException(
            folder,
            sae.features() + " features of width " + sae.width(),
            "Train " + own.features() + " of width " + own.width() + ", or set --expansion to fit");
      }
      if (!sae.normalisation()
          .peerName()
          .equals(config.normalisation().name().toLowerCase(Locale.ROOT))) {
        throw new InputException(
            folder,
            "was trained with input normalisation " + sae.normalisation().peerName(),
            "Add --normalise " + sae.normalisation().peerName());
      }
      return new SaeTrainer(own, sae);
    }
  }

  private void train(Keeper keeper, Consumer<Point> curve) {
    long total = config.steps();
    // The encoder's product is dense; what follows touches active features alone.
    double flops = 2.0 * feed.width() * feed.width() * config.expansion() * trainers.size();
    try (var task = progress.start("training", total * config.batch(), "tokens")) {
      task.resumed(step * config.batch());
      while (step < total) {
        for (int i = 0; i < trainers.size(); i++) one(i, total, curve);
        step++;
        task.advance(feed.batch(), flops * feed.batch());
        if (step < total) {
          feed.next();
          if (keeper.isDue()) keeper.keep(new State(step, factors, l0), trainers);
        }
      }
    }
  }

  private void one(int i, long total, Consumer<Point> curve) {
    SaeSpec spec = config.saes().get(i);
    SaeTrainer.Step done;
    int n = feed.batch();
    try (Scope scope = Scope.open()) {
      Tensor rows = feed.rows(config.points().indexOf(spec.point()));
      long begin = System.nanoTime();
      double penalty = factors[i] * config.schedule().sparsity(step, total);
      done = trainers.get(i).step(rows, config.schedule().rate(step, total), penalty);
      nanos += System.nanoTime() - begin;
      trained += n;
    }
    if (!Double.isFinite(done.loss())) throw diverged(spec, done.loss());
    if (step % CURVE_EVERY == 0 || step == total - 1) {
      curve.accept(new Point(step, (step + 1) * n, i, done.loss(), done.l0(), factors[i]));
    }
    double before = l0[i];
    l0[i] = step == 0 ? done.l0() : L0_MEMORY * before + (1 - L0_MEMORY) * done.l0();
    if (spec.targetL0() > 0) control(i, step == 0 ? l0[i] : before, spec.targetL0(), total);
  }

  /**
   * Raises the penalty while too much is active, and lowers it while too little is; less so while
   * the number moves towards its target by itself, for it follows the penalty late, and would swing
   * around the target.
   */
  private void control(int i, double before, double target, long total) {
    double gain = Math.clamp(20.0 / total, 0.002, 0.1);
    double off = Math.log(Math.max(l0[i], 1e-3) / target);
    double moved = Math.log(Math.max(l0[i], 1e-3) / Math.max(before, 1e-3));
    factors[i] *= Math.exp(gain * Math.clamp(off, -2, 2) + DAMPING * moved);
  }

  private Result finish(SaeSink finished, long start) {
    List<Trained> results = new ArrayList<>();
    for (int i = 0; i < trainers.size(); i++) {
      SaeSpec spec = config.saes().get(i);
      try (Sae sae = trainers.get(i).snapshot()) {
        Reconstruction quality = feed.measure(sae, config.points().indexOf(spec.point()));
        Trained one = new Trained(spec, factors[i], sae.features(), quality);
        results.add(one);
        finished.take(one, sae);
      }
    }
    return new Result(
        results,
        feed.trainImages(),
        feed.asideImages(),
        feed.skipped(),
        feed.harvestTokensPerSecond(),
        nanos == 0 ? 0 : trained / (nanos * 1e-9),
        (System.nanoTime() - start) * 1e-9);
  }
}
