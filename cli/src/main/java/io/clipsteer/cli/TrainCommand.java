// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.cli.option.ClusterOptions;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.FolderOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.OpenRun;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.option.TowerDtype;
import io.clipsteer.cli.option.TrainOptions;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.cli.show.VarianceText;
import io.clipsteer.data.InputException;
import io.clipsteer.data.store.ActivationStore;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.engine.sae.format.StoredSae;
import io.clipsteer.engine.sae.train.SaeVariant;
import io.clipsteer.lab.block.BlockCluster;
import io.clipsteer.lab.block.BlockWork;
import io.clipsteer.lab.block.WorkPlan;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Reconstruction;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.train.MlflowTracker;
import io.clipsteer.lab.train.Pareto;
import io.clipsteer.lab.train.SaeSpec;
import io.clipsteer.lab.train.SweepPlan;
import io.clipsteer.lab.train.TrainConfig;
import io.clipsteer.lab.train.TrainRun;
import io.clipsteer.lab.train.TrainSource;
import io.clipsteer.lab.train.TrainSweep;
import io.clipsteer.lab.train.Training;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Trains SAEs from a store, or straight from images. */
@Command(
    name = "train",
    description = {
      "Train sparse autoencoders: every --sae at every layer, in one pass over the data.",
      "Every tenth image is held out; explained variance, L0 and the share of alive features are"
          + " measured on these."
    },
    footer = {
      "Kinds of SAE: topk:k=32[,aux=0.03]      batchtopk:k=32[,aux=0.03]",
      "              matryoshka:k=32[,groups=5]  jumprelu:l0=1e-3[,bandwidth=0.05]",
      "              relu:l1=1e-4[,ghost=true]",
      "topk, batchtopk, relu also: loss=mse|paper|fvu|token_fvu|clipped",
      "",
      "Example: clipsteer train --model models/clip --images photos --layers 8 --sae topk:k=32"
          + " --expansion 16 --train-tokens 1000000 --out runs/l8",
      "Example: clipsteer train --store stores/clip --layers 0-11 --sae topk:k=16 --sae topk:k=64"
          + " --out runs/all"
    })
final class TrainCommand implements Runnable, BlockCommand, PlannedCommand {
  /** Largest relative error of a target L0 that is not reported. */
  private static final double MISSED = 0.25;

  @Mixin private CommonOptions common;
  @Mixin private ImageOptions images;
  @Mixin private TrainOptions how;
  @Mixin private FolderOptions folder;
  @Mixin private ClusterOptions cluster;

  @Option(
      names = "--store",
      paramLabel = "STORE",
      description = "Train on the activations that clipsteer harvest stored.")
  private @Nullable Path store;

  @Option(
      names = "--texts",
      paramLabel = "FILE",
      description = "Train SAEs of the text tower on these texts, one a line.")
  private @Nullable Path texts;

  @Option(
      names = "--model",
      paramLabel = "PATH",
      description = "Checkpoint: a folder or a file (with --store only recorded in the run).")
  private @Nullable Path model;

  @Mixin private TowerDtype dtype;

  @Option(
      names = "--checkpoint-minutes",
      defaultValue = "5",
      paramLabel = "M",
      description = "Minutes between checkpoints for --resume.")
  private double checkpointMinutes;

  @Option(names = "--unchecked", description = "Skip the check of the store's checksums.")
  private boolean unchecked;

  @Option(
      names = "--mlflow",
      paramLabel = "URI",
      description = "Also log settings and curves to an MLflow server: http://host:port.")
  private @Nullable String mlflow;

  /** What an SAE's kind means for an export is said before the hours of work. */
  private static void noteExport(TrainConfig config) {
    boolean vision = config.points().stream().allMatch(p -> p.tower() == TowerKind.VISION);
    if (vision && config.saes().stream().anyMatch(s -> s.variant() instanceof SaeVariant.TopK)) {
      System.err.println(OpenRun.TOPK_EXPORT);
    }
  }

  /** Reports when the SAE to fine-tune is of another kind than the one that is trained. */
  private static void noteStart(TrainConfig config) {
    if (config.start() == null) return;
    try (StoredSae start = SaeFiles.open(config.start())) {
      SaeActivation old = start.sae().activation();
      String kind =
          switch (old) {
            case SaeActivation.Relu relu -> "a ReLU SAE";
            case SaeActivation.TopK top -> "a TopK SAE of k = " + top.k();
            case SaeActivation.JumpRelu jump -> "a JumpReLU SAE";
          };
      for (SaeSpec spec : config.saes()) {
        if (isOfKind(old, spec.variant())) continue;
        System.err.println(
            config.start() + " is " + kind + "; it is fine-tuned as " + spec.variant().spelling());
      }
    }
  }

  private static boolean isOfKind(SaeActivation old, SaeVariant variant) {
    return switch (old) {
      case SaeActivation.Relu relu -> variant instanceof SaeVariant.Relu;
      case SaeActivation.TopK top -> variant instanceof SaeVariant.TopK same && same.k() == top.k();
      case SaeActivation.JumpRelu jump ->
          !(variant instanceof SaeVariant.Relu || variant instanceof SaeVariant.TopK);
    };
  }

  @Override
  public void run() {
    long sources =
        Stream.of(images.isGiven() ? this : null, store, texts).filter(Objects::nonNull).count();
    if (sources != 1) {
      throw common.usage(
          "Train on what? Give one of --images SRC or --texts FILE, with --model, or --store"
              + " STORE");
    }
    if (store == null && model == null) {
      throw common.usage("Which model? Give --model PATH: a checkpoint's folder or file");
    }
    if (cluster.isGiven()) checkCluster();
    common.apply();
    folder.check(RunFolder.LAYOUT);
    TrainConfig config = config();
    noteStart(config);
    noteExport(config);
    if (store == null) {
      try (ClipModel clip = load()) {
        train(
            texts == null
                ? new TrainSource.FromImages(clip, images.resolve(clip))
                : TrainSource.FromTexts.read(clip, texts),
            config);
      }
      return;
    }
    try (ActivationStore open = ActivationStore.open(store)) {
      List<String> points = config.points().stream().map(HookPoint::peerName).toList();
      if (!unchecked) StoreCommand.check(open, store, points, common.progress());
      if (model == null) {
        train(new TrainSource.FromStore(open, store, null), config);
      } else {
        try (ClipModel clip = load()) {
          train(new TrainSource.FromStore(open, store, clip), config);
        }
      }
    }
  }

  private ClipModel load() {
    if (model == null) throw new IllegalStateException("no model");
    return ClipModel.load(model, dtype.get(), common.device());
  }

  private TrainConfig config() {
    if (!(checkpointMinutes >= 0 && checkpointMinutes < 1e6)) {
      throw new InputException("--checkpoint-minutes " + checkpointMinutes, "below 0", "Try 5");
    }
    return how.config(
        texts == null ? TowerKind.VISION : TowerKind.TEXT, common.seed(), common.device());
  }

  private void checkCluster() {
    common.givenThreads();
    if (store == null) {
      throw common.usage("--master trains on a store: harvest one, and give it with --store");
    }
    if (mlflow != null) {
      throw common.usage("--mlflow has no use with --master: SAEs are trained apart");
    }
  }

  /** What a process of a cluster does: it trains SAEs, one at a time. */
  @Override
  public BlockWork open() {
    common.apply();
    Path from = Objects.requireNonNull(store);
    return BlockWork.of(
        OpenStore.of(from, model == null ? null : load()),
        OpenStore::close,
        open -> {
          var source = new TrainSource.FromStore(open.store, from, open.clip);
          return new TrainSweep(run(source, config(), null));
        });
  }

  @Override
  public WorkPlan plan() {
    if (store == null) {
      throw new InputException("train", "has a plan with --store only", "Harvest a store first");
    }
    common.apply();
    TrainConfig config = config();
    try (ActivationStore open = ActivationStore.open(store)) {
      return SweepPlan.of(new TrainSource.FromStore(open, store, null), config, checkpoints());
    }
  }

  private Duration checkpoints() {
    return Duration.ofMillis((long) (60_000 * checkpointMinutes));
  }

  /** A store, and the model that it is from, whose path a run records. */
  private record OpenStore(ActivationStore store, @Nullable ClipModel clip) {
    static OpenStore of(Path store, @Nullable ClipModel clip) {
      try {
        return new OpenStore(ActivationStore.open(store), clip);
      } catch (RuntimeException e) {
        if (clip != null) clip.close();
        throw e;
      }
    }

    void close() {
      store.close();
      if (clip != null) clip.close();
    }
  }

  private TrainRun run(TrainSource source, TrainConfig config, @Nullable MlflowTracker tracker) {
    return new TrainRun(
        source,
        config,
        common.commandLine(),
        folder.out(),
        folder.resume(),
        checkpoints(),
        tracker);
  }

  private Training.Finished onCluster(TrainRun run) {
    var sweep = new TrainSweep(run);
    long tokens = run.config().schedule().trainTokens();
    try (BlockCluster.ClusterSession session = cluster.later(common)) {
      return run.run(
          (stage, count) -> {
            List<Integer> missing = sweep.missing();
            session.compute(stage, missing, missing.size() * tokens, "tokens", common.progress());
          });
    }
  }

  private void train(TrainSource source, TrainConfig config) {
    long start = System.nanoTime();
    Training.Finished result;
    try (MlflowTracker tracker = mlflow == null ? null : MlflowTracker.begin(mlflow)) {
      TrainRun run = run(source, config, tracker);
      result = cluster.isGiven() ? onCluster(run) : run.run(common.progress());
      if (tracker != null && tracker.lost() > 0) {
        System.err.println(
            "MLflow refused " + Counted.of(tracker.lost(), "value") + "; the run's files have all");
      }
    }
    Skips.Counts skips = images.report(result.skipped());
    for (Training.Trained one : result.saes()) {
      double target = one.spec().targetL0();
      double l0 = one.quality().l0();
      if (target <= 0 || Math.abs(l0 - target) <= MISSED * target) continue;
      System.err.printf(
          Locale.ROOT,
          "%s: L0 is %.1f, not the %.0f of --target-l0. Train on more tokens%n",
          one.spec().name(),
          l0,
          target);
    }
    double seconds = (System.nanoTime() - start) * 1e-9;
    common.print(json(result, skips, seconds), text(result, seconds));
  }

  /** What {@code --json} prints of an SAE. */
  private record JsonSae(
      int layer,
      String hookPoint,
      String variant,
      @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Double targetL0,
      int features,
      @JsonUnwrapped @JsonIgnoreProperties({"tokens", "cosine"}) Reconstruction quality,
      boolean recommended,
      String path) {
    JsonSae(Pareto.Rated row, Path run) {
      this(
          row.trained().spec().point().layer(),
          row.trained().spec().point().peerName(),
          row.trained().spec().variant().scaled(row.trained().factor()).spelling(),
          row.trained().spec().targetL0() > 0 ? (Double) row.trained().spec().targetL0() : null,
          row.trained().features(),
          row.trained().quality(),
          row.recommended(),
          run.resolve(RunFolder.saeFolder(row.trained().spec().name())).toString());
    }
  }

  /** What {@code --json} prints. */
  private record Json(
      List<JsonSae> saes,
      @JsonUnwrapped @JsonIgnoreProperties({"saes", "skipped", "seconds"}) Training.Finished result,
      @JsonUnwrapped Skips.Counts skips,
      double seconds,
      String run) {}

  private Json json(Training.Finished result, Skips.Counts skips, double seconds) {
    Path run = folder.out();
    return new Json(
        Pareto.rows(result.saes()).stream().map(row -> new JsonSae(row, run)).toList(),
        result,
        skips,
        seconds,
        run.toString());
  }

  /** A warning for each hook point where few tokens have most of the variance. */
  private static List<String> warnings(Training.Finished result) {
    return result.saes().stream()
        .map(one -> Objects.requireNonNull(one.quality().variance()).warning(one.spec().point()))
        .flatMap(Stream::ofNullable)
        .distinct()
        .toList();
  }

  private static boolean alone(Pareto.Rated row, List<Pareto.Rated> rows) {
    HookPoint point = row.trained().spec().point();
    return rows.stream().filter(other -> other.trained().spec().point().equals(point)).count() == 1;
  }

  private String text(Training.Finished result, double seconds) {
    Lines text = new Lines();
    text.add(
        "%s of %s trained on %s in %.0f s; measured on %d held-out:%n",
        Counted.of(result.saes().size(), "SAE"),
        Counted.of(result.saes().getFirst().features(), "feature"),
        Counted.of(result.images(), texts == null ? "image" : "text"),
        seconds,
        result.evaluationImages());
    text.add("%-28s %-34s %8s %s %9s%n", "hook point", "SAE", "L0", VarianceText.HEADS, "alive");
    List<Pareto.Rated> rows = Pareto.rows(result.saes());
    for (Pareto.Rated row : rows) {
      var quality = row.trained().quality();
      text.add(
          "%-28s %-34s %8.1f %s %7.1f %% %s%n",
          row.trained().spec().point().peerName(),
          row.trained().spec().variant().scaled(row.trained().factor()).spelling(),
          quality.l0(),
          VarianceText.cells(quality.explainedVariance(), quality.variance()),
          100 * quality.aliveFraction(),
          row.recommended() && !alone(row, rows)
              ? "<- recommended"
              : row.best() ? "" : "(dominated)");
    }
    text.add("%s%n", VarianceText.LEGEND);
    for (String warning : warnings(result)) text.add("%s%n", warning);
    return text.add(
            "%.0f tokens/s training; run: %s%n", result.trainTokensPerSecond(), folder.out())
        .toString();
  }
}
