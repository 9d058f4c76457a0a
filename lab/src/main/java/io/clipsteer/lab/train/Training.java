// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.SideBySide;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.engine.sae.format.StoredSae;
import io.clipsteer.engine.sae.train.SaeTrainer;
import io.clipsteer.lab.run.Reconstruction;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Trains any number of SAEs in one pass over the same tokens. A step depends on the trainers, the
 * factor of each penalty, and the number of the step alone.
 */
public final class Training {
  /**
   * One SAE's point of the training curve, a line of {@code metrics.jsonl}.
   *
   * @param sae its name
   * @param penalty factor of the penalty; null for an SAE without a target L0
   */
  public record CurveStep(
      long step,
      long tokens,
      String sae,
      double loss,
      double l0,
      @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Double penalty) {}

  /**
   * One finished SAE.
   *
   * @param factor of its penalty at the end
   * @param features number of its features
   * @param quality on the held-out images
   */
  public record Trained(SaeSpec spec, double factor, int features, Reconstruction quality) {}

  /**
   * A finished training.
   *
   * @param saes in the configuration's order
   * @param images images, or texts, trained on
   * @param evaluationImages images, or texts, held out
   * @param skipped images skipped
   * @param harvestTokensPerSecond from files to activations, of one hook point; 0 from a store
   * @param trainTokensPerSecond of the SAEs' own steps: a token counts once per SAE
   * @param seconds in all
   */
  public record Finished(
      List<Trained> saes,
      long images,
      long evaluationImages,
      List<ImageLoader.Skipped> skipped,
      double harvestTokensPerSecond,
      double trainTokensPerSecond,
      double seconds) {}

  private static final int CURVE_EVERY = 10;
  private static final int WARM = 3;
  private static final int TIMED = 10;
  private static final double L0_MEMORY = 0.95;
  private static final double DAMPING = 2;

  /** Most weights of an encoder for {@link #step} to update two SAEs at a time. */
  private static final long SMALL = 1 << 20;

  private final TrainConfig config;
  private final Feed feed;
  private final Progress progress;
  private final List<SaeTrainer> trainers = new ArrayList<>();
  private final double[] factors;
  private final double[] l0;
  private long step;
  private long nanos;
  private long trained;

  private Training(TrainConfig config, Feed feed, Progress progress) {
    this.config = config;
    this.feed = feed;
    this.progress = progress;
    this.factors = new double[config.saes().size()];
    this.l0 = new double[factors.length];
    Arrays.fill(factors, 1);
  }

  /**
   * The state outside the trainers.
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
   * @param checkpoints hold the state to resume from, and take new ones
   * @param curve takes loss and L0 of every tenth step
   * @param finished takes each SAE when all are trained; the SAE is closed afterwards
   */
  static Finished run(
      TrainConfig config,
      Feed feed,
      Checkpoints checkpoints,
      Progress progress,
      Consumer<CurveStep> curve,
      BiConsumer<Trained, Sae> finished) {
    long start = System.nanoTime();
    Training training = new Training(config, feed, progress);
    try {
      training.begin();
      training.restore(checkpoints);
      training.train(checkpoints, curve);
      return training.finish(finished, start);
    } finally {
      training.trainers.forEach(SaeTrainer::close);
    }
  }

  /**
   * The seed of an SAE's weights: by its name, so that an SAE does not depend on the others. SAEs
   * with the same initial weights stay similar: two layers seemed to share features that came from
   * their initial weights alone.
   */
  private long seed(SaeSpec spec) {
    return new SplittableRandom(config.seed() ^ (long) spec.name().hashCode() << 32).nextLong();
  }

  /**
   * Seconds of a step, with the reading of its batch: the mean of a few after the first.
   *
   * @param config of all SAEs that are trained together
   */
  static double secondsPerStep(TrainConfig config, Feed feed) {
    Training training = new Training(config, feed, Progress.SILENT);
    try {
      training.begin();
      long total = config.schedule().steps();
      long start = System.nanoTime();
      for (int i = 0; i < WARM + TIMED; i++) {
        if (i == WARM) start = System.nanoTime();
        training.step(total, point -> {});
        training.step++;
        feed.next();
      }
      return (System.nanoTime() - start) * 1e-9 / TIMED;
    } finally {
      training.trainers.forEach(SaeTrainer::close);
    }
  }

  private void begin() {
    int features = Math.multiplyExact(feed.width(), config.expansion());
    for (SaeSpec spec : config.saes()) {
      SaeTrainer.Config own =
          config.settings().of(spec.variant(), feed.width(), features, seed(spec), config.device());
      try (Scope scope = Scope.open()) {
        trainers.add(config.start() == null ? fresh(own, spec) : tuned(own, spec, config.start()));
      }
    }
  }

  private void restore(Checkpoints checkpoints) {
    State saved = checkpoints.saved();
    if (saved == null) return;
    for (int i = 0; i < trainers.size(); i++) checkpoints.restore(i, trainers.get(i));
    System.arraycopy(saved.factors(), 0, factors, 0, factors.length);
    System.arraycopy(saved.l0(), 0, l0, 0, l0.length);
    step = saved.step();
  }

  private SaeTrainer fresh(SaeTrainer.Config own, SaeSpec spec) {
    Tensor sample = feed.sample(config.points().indexOf(spec.point()));
    if (!sample.isFinite()) throw notFinite(spec);
    return new SaeTrainer(own, sample.to(config.device()));
  }

  private static InputException notFinite(SaeSpec spec) {
    return new InputException(
        spec.point(),
        "the activations to train on hold NaN or infinity",
        "No setting of training causes this: store verify names the image; harvest again");
  }

  /** Why a loss is not finite: the activations, or else the learning rate. */
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
          .equals(config.settings().normalisation().name().toLowerCase(Locale.ROOT))) {
        throw new InputException(
            folder,
            "was trained with input normalisation " + sae.normalisation().peerName(),
            "Add --normalise " + sae.normalisation().peerName());
      }
      return new SaeTrainer(own, sae);
    }
  }

  private void train(Checkpoints checkpoints, Consumer<CurveStep> curve) {
    long total = config.schedule().steps();
    int batch = config.schedule().batch();
    double flops = config.flopsPerToken(feed.width()) * trainers.size();
    try (var task = progress.start("training", total * batch, "tokens")) {
      task.resumed(step * batch);
      while (step < total) {
        step(total, curve);
        step++;
        task.advance(feed.batch(), flops * feed.batch());
        if (step < total) {
          feed.next();
          if (checkpoints.isDue()) checkpoints.keep(new State(step, factors, l0), trainers);
        }
      }
    }
  }

  /** Updates every SAE: small ones two at a time, of which each is too small for all cores. */
  private void step(long total, Consumer<CurveStep> curve) {
    SaeTrainer.Step[] done = new SaeTrainer.Step[trainers.size()];
    long begin = System.nanoTime();
    IntConsumer update =
        i -> {
          try (Scope scope = Scope.open()) {
            Tensor rows = feed.rows(config.points().indexOf(config.saes().get(i).point()));
            double penalty = factors[i] * config.schedule().sparsity(step);
            done[i] =
                trainers
                    .get(i)
                    .step(rows.to(config.device()), config.schedule().rate(step), penalty);
          }
        };
    if ((long) feed.width() * feed.width() * config.expansion() <= SMALL) {
      SideBySide.each(config.device(), done.length, update);
    } else {
      for (int i = 0; i < done.length; i++) update.accept(i);
    }
    nanos += System.nanoTime() - begin;
    trained += (long) feed.batch() * done.length;
    for (int i = 0; i < done.length; i++) record(i, done[i], total, curve);
  }

  private void record(int i, SaeTrainer.Step done, long total, Consumer<CurveStep> curve) {
    SaeSpec spec = config.saes().get(i);
    int n = feed.batch();
    if (!Double.isFinite(done.loss())) throw diverged(spec, done.loss());
    if (step % CURVE_EVERY == 0 || step == total - 1) {
      Double penalty = spec.targetL0() > 0 ? (Double) factors[i] : null;
      curve.accept(
          new CurveStep(step, (step + 1) * n, spec.name(), done.loss(), done.l0(), penalty));
    }
    double before = l0[i];
    l0[i] = step == 0 ? done.l0() : L0_MEMORY * before + (1 - L0_MEMORY) * done.l0();
    if (spec.targetL0() > 0) control(i, step == 0 ? l0[i] : before, spec.targetL0(), total);
  }

  /**
   * Raises the penalty while L0 is above its target and lowers it below, but less while L0 already
   * moves towards the target: L0 follows the penalty late and would oscillate.
   */
  private void control(int i, double before, double target, long total) {
    double gain = Math.clamp(20.0 / total, 0.002, 0.1);
    double off = Math.log(Math.max(l0[i], 1e-3) / target);
    double moved = Math.log(Math.max(l0[i], 1e-3) / Math.max(before, 1e-3));
    factors[i] *= Math.exp(gain * Math.clamp(off, -2, 2) + DAMPING * moved);
  }

  private Finished finish(BiConsumer<Trained, Sae> finished, long start) {
    List<Trained> results = new ArrayList<>();
    for (int i = 0; i < trainers.size(); i++) {
      SaeSpec spec = config.saes().get(i);
      try (Sae sae = trainers.get(i).snapshot()) {
        Reconstruction quality = feed.measure(sae, config.points().indexOf(spec.point()));
        Trained one = new Trained(spec, factors[i], sae.features(), quality);
        results.add(one);
        finished.accept(one, sae);
      }
    }
    Feed.FeedCounts counts = feed.counts();
    return new Finished(
        results,
        counts.train(),
        counts.heldOut(),
        counts.skipped(),
        counts.tokensPerSecond(),
        nanos == 0 ? 0 : trained / (nanos * 1e-9),
        (System.nanoTime() - start) * 1e-9);
  }
}
