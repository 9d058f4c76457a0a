// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.ImageLoader;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.model.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeTrainer;
import io.clipsteer.engine.sae.SaeVariant;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * From pictures to an SAE: runs the tower up to the hook point, gathers tokens in memory, trains on
 * them in shuffled order, and measures on pictures kept aside.
 *
 * <p>When the set fits into the buffer it is read once and trained on in epochs; otherwise the
 * buffer is filled, trained on once, and filled again, for as many passes over the set as it takes.
 */
public final class Training {
  /**
   * What is trained on what.
   *
   * @param point where activations are taken
   * @param tokens which tokens
   * @param variant the SAE's kind
   * @param normalisation of its input
   * @param encoderProduct F32, or BF16 for a faster product that only proposes features
   * @param expansion features for each dimension
   * @param trainTokens tokens to train on, repetitions counted
   * @param batch tokens a step
   * @param learningRate Adam's step after warm-up
   * @param seed of weights and order
   * @param bufferBytes memory for activations
   */
  public record Config(
      HookPoint point,
      TokenSelection tokens,
      SaeVariant variant,
      InputNormalisation normalisation,
      DType encoderProduct,
      int expansion,
      long trainTokens,
      int batch,
      double learningRate,
      long seed,
      long bufferBytes) {}

  /** One line of the training curve. */
  public record Point(int step, long tokens, double loss, double l0) {}

  /**
   * What came out.
   *
   * @param sae the trained SAE; the caller closes it
   * @param features number of its features
   * @param quality on the pictures kept aside
   * @param images pictures trained on
   * @param evaluationImages pictures kept aside
   * @param skipped pictures left out
   * @param harvestTokensPerSecond from files to activations
   * @param trainTokensPerSecond of the SAE's own steps
   * @param seconds for everything
   */
  public record Result(
      Sae sae,
      int features,
      Reconstruction quality,
      long images,
      long evaluationImages,
      List<ImageLoader.Skipped> skipped,
      double harvestTokensPerSecond,
      double trainTokensPerSecond,
      double seconds) {}

  private static final long EVALUATION_TOKENS = 100_000;
  private static final int INITIAL_SAMPLE = 65_536;
  private static final double WARM_UP = 0.05;
  private static final double DECAY = 0.2;
  private static final int CURVE_EVERY = 10;

  private final Config config;
  private final int width;
  private final SplittableRandom random;
  private final Progress progress;
  private final Consumer<Point> curve;
  private long nanos;
  private long trained;

  private Training(Config config, int width, Progress progress, Consumer<Point> curve) {
    this.config = config;
    this.width = width;
    this.random = new SplittableRandom(config.seed());
    this.progress = progress;
    this.curve = curve;
  }

  /**
   * Trains one SAE.
   *
   * @param curve is told the loss now and then
   */
  public static Result run(
      ClipModel model, Pictures pictures, Config config, Progress progress, Consumer<Point> curve) {
    long start = System.nanoTime();
    int width = model.vision().config().width();
    long most = Math.min(config.bufferBytes() / (4L * width), Integer.MAX_VALUE - 8L);
    long capacity = Math.max(config.batch(), Math.min(most, config.trainTokens()));
    long asideCapacity = Math.min(Math.max(config.batch(), most), EVALUATION_TOKENS);
    var training = new Training(config, width, progress, curve);
    try (ActivationBuffer buffer = new ActivationBuffer(capacity, width);
        ActivationBuffer aside = new ActivationBuffer(asideCapacity, width);
        TokenSource source =
            new TokenSource(model, pictures, config.point(), config.tokens(), progress)) {
      boolean whole = source.fill(buffer, aside);
      if (buffer.size() == 0 || aside.size() == 0) {
        throw new InputException(
            pictures.set().origin(),
            source.trainImages() + " pictures are too few to train and to measure on",
            "Give at least 10");
      }
      try (SaeTrainer trainer = training.trainer(buffer)) {
        training.train(trainer, buffer, whole ? null : () -> source.fill(buffer, aside));
        Sae sae = trainer.snapshot();
        return new Result(
            sae,
            sae.features(),
            Reconstruction.measure(sae, aside),
            source.trainImages(),
            source.asideImages(),
            source.skipped(),
            source.tokensPerSecond(),
            training.trained / (training.nanos * 1e-9),
            (System.nanoTime() - start) * 1e-9);
      }
    }
  }

  /** Throws unless the model has the hook point and the SAE enough features. */
  static void check(ClipModel model, Config config) {
    int layers = model.vision().config().layers();
    if (config.point().layer() < 0 || config.point().layer() >= layers) {
      throw new InputException(
          config.point(), "no such hook point", "The tower has blocks 0 to " + (layers - 1));
    }
    int width = model.vision().config().width();
    long features = (long) width * config.expansion();
    if (config.variant().k() > features || features * width > Integer.MAX_VALUE) {
      throw new InputException(
          config.variant().spelling(),
          features + " features (width " + width + " × expansion " + config.expansion() + ")",
          "Choose k at most the features, and an expansion that fits into memory");
    }
  }

  private SaeTrainer trainer(ActivationBuffer buffer) {
    // A sample from the whole buffer: its beginning holds only the first pictures.
    int[] order = buffer.shuffled(new SplittableRandom(config.seed()));
    try (Scope scope = Scope.open()) {
      return new SaeTrainer(
          new SaeTrainer.Config(
              config.variant(),
              width,
              features(),
              config.normalisation(),
              config.encoderProduct(),
              config.seed()),
          buffer.gather(order, 0, Math.min(order.length, INITIAL_SAMPLE)));
    }
  }

  private int features() {
    return Math.multiplyExact(width, config.expansion());
  }

  /**
   * The loop; {@code refill}, where there is more to come, renews the buffer when it is used up.
   */
  private void train(SaeTrainer trainer, ActivationBuffer buffer, @Nullable Runnable refill) {
    long total = Math.max(1, config.trainTokens() / config.batch());
    // The encoder's product is dense; what follows touches active features alone.
    double flops = 2.0 * width * features();
    try (var task = progress.start("training", total * config.batch(), "tokens")) {
      int[] order = buffer.shuffled(random);
      int at = 0;
      for (int step = 0; step < total; step++) {
        int n = Math.min(config.batch(), order.length);
        if (at + n > order.length) {
          if (refill != null) refill.run();
          order = buffer.shuffled(random);
          at = 0;
        }
        SaeTrainer.Step done = step(trainer, buffer, order, at, n, rate(step, total));
        at += n;
        task.advance(n, flops * n);
        if (!Double.isFinite(done.loss())) {
          throw new InputException(
              "training", "the loss became " + done.loss() + " at step " + step, "Lower --lr");
        }
        if (step % CURVE_EVERY == 0 || step == total - 1) {
          curve.accept(new Point(step, trained, done.loss(), done.l0()));
        }
      }
    }
  }

  private SaeTrainer.Step step(
      SaeTrainer trainer, ActivationBuffer buffer, int[] order, int at, int n, double rate) {
    long begin = System.nanoTime();
    try (Scope scope = Scope.open()) {
      return trainer.step(buffer.gather(order, at, n), rate);
    } finally {
      nanos += System.nanoTime() - begin;
      trained += n;
    }
  }

  /** Linear warm-up, constant, linear decay. */
  private double rate(long step, long total) {
    double share = (step + 1.0) / total;
    double down = (1 - share + 1.0 / total) / DECAY;
    return config.learningRate() * Math.min(1, Math.min(share / WARM_UP, down));
  }
}
