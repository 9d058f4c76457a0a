// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.TrainOptions;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.store.ActivationStore;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.engine.sae.format.StoredSae;
import io.clipsteer.engine.sae.train.SaeVariant;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.train.MlflowTracker;
import io.clipsteer.lab.train.Pareto;
import io.clipsteer.lab.train.SaeSpec;
import io.clipsteer.lab.train.TrainRun;
import io.clipsteer.lab.train.TrainSource;
import io.clipsteer.lab.train.Training;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Trains SAEs from a store, or straight from images. */
@Command(
    name = "train",
    description = {
      "Train sparse autoencoders: every --sae at every layer, all in one pass over the tokens.",
      "Every tenth image is kept aside; explained variance, L0 and alive features are measured"
          + " on those."
    },
    footer = {
      "",
      "Kinds: topk:k=32[,aux=0.03]  batchtopk:k=32[,aux=0.03] "
          + " relu:l1=1e-4[,loss=paper|fvu][,ghost=true]",
      "       jumprelu:l0=1e-3[,bandwidth=0.05]  matryoshka:k=32[,groups=5]",
      "",
      "Example: clipsteer train --model models/clip --images photos --layers 8 --sae topk:k=32"
          + " --expansion 16 --train-tokens 1000000 --out runs/l8",
      "Example: clipsteer train --store stores/clip --layers 0-11 --sae topk:k=16 --sae topk:k=64"
          + " --out runs/all"
    })
final class TrainCommand implements Callable<Integer> {
  /** Share of a target L0 that an SAE may be off without a word. */
  private static final double MISSED = 0.25;

  @Mixin private CommonOptions common;
  @Mixin private ImageOptions images;
  @Mixin private TrainOptions how;
  @Spec private CommandSpec spec;

  @Option(
      names = "--store",
      paramLabel = "STORE",
      description = "Activations from clipsteer harvest, in place of --images.")
  private @Nullable Path store;

  @Option(
      names = "--texts",
      paramLabel = "FILE",
      description = "Texts, one a line, in place of --images: SAEs of the text tower.")
  private @Nullable Path texts;

  @Option(
      names = "--model",
      paramLabel = "PATH",
      description = "A checkpoint's folder or file; with --store it is only noted in the run.")
  private @Nullable Path model;

  @Option(
      names = "--dtype",
      defaultValue = "fp32",
      description = "The tower's: fp32 or bf16 (default: ${DEFAULT-VALUE}).")
  private String dtype;

  @Option(names = "--out", required = true, paramLabel = "RUN", description = "New folder.")
  private Path out;

  @Option(
      names = "--resume",
      description = "Resume a stopped training; it ends with the same SAEs.")
  private boolean resume;

  @Option(
      names = "--checkpoint-minutes",
      defaultValue = "5",
      paramLabel = "M",
      description = "Time between two states to resume from (default: ${DEFAULT-VALUE}).")
  private double checkpointMinutes;

  @Option(
      names = "--unchecked",
      description = "Do not hold the store's files against their checksums first.")
  private boolean unchecked;

  @Option(
      names = "--mlflow",
      paramLabel = "URI",
      description = "Send settings and curve to an MLflow server too: http://host:port.")
  private @Nullable String mlflow;

  /** Says when the SAE that a training starts from is of another kind than what it makes. */
  private static void noteStart(Training.Config config) {
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
            config.start() + " is " + kind + "; it is trained on as " + spec.variant().spelling());
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
  public Integer call() {
    long sources =
        Stream.of(images.isGiven() ? this : null, store, texts).filter(Objects::nonNull).count();
    if (sources != 1) {
      throw new ParameterException(
          spec.commandLine(),
          (sources == 0 ? "Give" : "More than one source: give only")
              + " one of --images or --texts, with --model, or --store");
    }
    if (store == null && model == null) {
      throw new ParameterException(spec.commandLine(), "Missing required option: '--model=PATH'");
    }
    common.apply();
    WorkFolder.check(out, RunFolder.LAYOUT, resume);
    Training.Config config = how.config(texts != null, common.seed());
    if (!(checkpointMinutes >= 0 && checkpointMinutes < 1e6)) {
      throw new InputException("--checkpoint-minutes " + checkpointMinutes, "below 0", "Try 5");
    }
    noteStart(config);
    if (store == null) {
      try (ClipModel clip = load()) {
        train(
            texts == null
                ? new TrainSource.FromImages(clip, images.resolve(clip))
                : new TrainSource.FromTexts(clip, TrainSource.Texts.read(texts)),
            config);
      }
      return 0;
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
    return 0;
  }

  private ClipModel load() {
    if (model == null) throw new IllegalStateException("no model");
    return ClipModel.load(model, CommonOptions.dtype("--dtype", dtype), common.device());
  }

  private void train(TrainSource source, Training.Config config) {
    List<String> command = spec.commandLine().getParent().getParseResult().originalArgs();
    Duration every = Duration.ofMillis((long) (60_000 * checkpointMinutes));
    Training.Result result;
    try (MlflowTracker tracker = mlflow == null ? null : MlflowTracker.begin(mlflow)) {
      result =
          new TrainRun(source, config, command, out, resume, every, tracker).run(common.progress());
      if (tracker != null && tracker.lost() > 0) {
        System.err.println(
            "MLflow did not take " + Counted.of(tracker.lost(), "value") + "; the run has all");
      }
    }
    images.printSkipped(result.skipped());
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
    common.print(json(result), text(result));
  }

  private Map<String, Object> json(Training.Result result) {
    Map<String, Object> json = new LinkedHashMap<>();
    List<Map<String, Object>> list = new ArrayList<>();
    for (Pareto.Row row : Pareto.rows(result.saes())) {
      Training.Trained trained = row.trained();
      Map<String, Object> one = new LinkedHashMap<>();
      one.put("layer", trained.spec().point().layer());
      one.put("hook_point", trained.spec().point().peerName());
      one.put("variant", trained.spec().variant().scaled(trained.factor()).spelling());
      if (trained.spec().targetL0() > 0) one.put("target_l0", trained.spec().targetL0());
      one.put("features", trained.features());
      one.put("explained_variance", trained.quality().explainedVariance());
      one.put("l0", trained.quality().l0());
      one.put("alive_fraction", trained.quality().aliveFraction());
      one.put("recommended", row.recommended());
      one.put("path", out.resolve(RunFolder.saeFolder(trained.spec().name())).toString());
      list.add(one);
    }
    json.put("saes", list);
    json.put("tokens_per_second", result.trainTokensPerSecond());
    json.put("harvest_tokens_per_second", result.harvestTokensPerSecond());
    json.put("images", result.images());
    json.put("evaluation_images", result.evaluationImages());
    images.addSkipped(json, result.skipped());
    json.put("seconds", result.seconds());
    json.put("run", out.toString());
    return json;
  }

  private static boolean alone(Pareto.Row row, List<Pareto.Row> rows) {
    HookPoint point = row.trained().spec().point();
    return rows.stream().filter(other -> other.trained().spec().point().equals(point)).count() == 1;
  }

  private String text(Training.Result result) {
    StringBuilder text = new StringBuilder();
    text.append(
        String.format(
            Locale.ROOT,
            "%s of %s trained on %s in %.0f s; on %d kept aside:%n",
            Counted.of(result.saes().size(), "SAE"),
            Counted.of(result.saes().getFirst().features(), "feature"),
            Counted.of(result.images(), texts == null ? "image" : "text"),
            result.seconds(),
            result.evaluationImages()));
    text.append(
        String.format(
            Locale.ROOT,
            "%-28s %-34s %8s %10s %9s%n",
            "hook point",
            "SAE",
            "L0",
            "explained",
            "alive"));
    List<Pareto.Row> rows = Pareto.rows(result.saes());
    for (Pareto.Row row : rows) {
      var quality = row.trained().quality();
      text.append(
          String.format(
              Locale.ROOT,
              "%-28s %-34s %8.1f %10.4f %7.1f %% %s%n",
              row.trained().spec().point().peerName(),
              row.trained().spec().variant().scaled(row.trained().factor()).spelling(),
              quality.l0(),
              quality.explainedVariance(),
              100 * quality.aliveFraction(),
              row.recommended() && !alone(row, rows)
                  ? "<- recommended"
                  : row.best() ? "" : "(beaten)"));
    }
    return text.append(
            String.format(
                Locale.ROOT,
                "%.0f tokens/s training; run: %s%n",
                result.trainTokensPerSecond(),
                out))
        .toString();
  }
}
