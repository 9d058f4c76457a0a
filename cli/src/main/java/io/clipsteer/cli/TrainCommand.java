// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.data.InputException;
import io.clipsteer.data.store.ActivationStore;
import io.clipsteer.engine.model.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.SaeTrainer;
import io.clipsteer.engine.sae.SaeVariant;
import io.clipsteer.lab.Counted;
import io.clipsteer.lab.MlflowTracker;
import io.clipsteer.lab.Pareto;
import io.clipsteer.lab.SaeSpec;
import io.clipsteer.lab.Schedule;
import io.clipsteer.lab.TrainRun;
import io.clipsteer.lab.TrainSource;
import io.clipsteer.lab.Training;
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

/** Trains SAEs from a store, or straight from pictures. */
@Command(
    name = "train",
    description = {
      "Train sparse autoencoders: every --sae at every layer, all in one pass over the tokens.",
      "Every tenth picture is kept aside; explained variance, L0 and alive features are measured"
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
  @Mixin private CommonOptions common;
  @Mixin private PictureOptions pictures;
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
      names = {"--layers", "--layer"},
      required = true,
      paramLabel = "L",
      description = "Blocks whose output is read, from 0: 8, 2,8 or 0-11.")
  private String layers;

  @Option(
      names = "--site",
      defaultValue = "hook_resid_post",
      description = "hook_resid_post or hook_mlp_out (default: ${DEFAULT-VALUE}).")
  private String site;

  @Option(
      names = "--tokens-selection",
      defaultValue = "all",
      description = "all, cls or patches (default: ${DEFAULT-VALUE}).")
  private String tokens;

  @Option(
      names = "--sae",
      defaultValue = "topk:k=32",
      paramLabel = "KIND",
      description = "Kind of SAE, see below; any number of times (default: ${DEFAULT-VALUE}).")
  private List<String> saes;

  @Option(
      names = "--target-l0",
      split = ",",
      paramLabel = "L0",
      description = {
        "Active features a token that each relu or jumprelu SAE's penalty is steered to, from the",
        "one given: 32,64,128 trains three."
      })
  private List<Double> targets = List.of();

  @Option(
      names = "--normalise",
      defaultValue = "layer_norm",
      description = {
        "Input normalisation: layer_norm, none, or standardise (fitted to the first activations,",
        "and in the end a part of the weights) (default: ${DEFAULT-VALUE})."
      })
  private String normalise;

  @Option(
      names = "--encoder-product",
      defaultValue = "fp32",
      description = {
        "fp32, or bf16 (topk alone): a faster product proposes features, whose activations are",
        "then computed exactly (default: ${DEFAULT-VALUE})."
      })
  private String encoderProduct;

  @Option(
      names = "--expansion",
      defaultValue = "16",
      description = "Features for each dimension (default: ${DEFAULT-VALUE}).")
  private int expansion;

  @Option(
      names = "--train-tokens",
      defaultValue = "1000000",
      description = "Tokens to train on, repetitions counted (default: ${DEFAULT-VALUE}).")
  private long trainTokens;

  @Option(
      names = "--batch",
      defaultValue = "1024",
      description = "Tokens a step (default: ${DEFAULT-VALUE}).")
  private int batch;

  @Option(
      names = "--lr",
      defaultValue = "1e-3",
      description = "Adam's step (default: ${DEFAULT-VALUE}).")
  private double learningRate;

  @Option(
      names = "--schedule",
      defaultValue = "linear",
      description = {
        "After the warm-up: constant, cosine (down to 0), or linear (down to 0 over the last"
            + " fifth;",
        "default)."
      })
  private String schedule;

  @Option(
      names = "--warm-up",
      defaultValue = "-1",
      hideParamSyntax = true,
      paramLabel = "STEPS",
      description = "Steps in which the rate rises (default: a twentieth of all).")
  private int warmUp;

  @Option(
      names = "--sparsity-warm-up",
      defaultValue = "0",
      paramLabel = "SHARE",
      description = "Share of all steps in which relu's and jumprelu's penalty rises (default: 0).")
  private double sparsityWarmUp;

  @Option(
      names = "--clip",
      defaultValue = "0",
      paramLabel = "NORM",
      description = "Longest gradient of an SAE; 0 for any (default: ${DEFAULT-VALUE}).")
  private double clip;

  @Option(
      names = "--dead-tokens",
      defaultValue = "1000000",
      paramLabel = "N",
      description = "A feature that has not fired for so long is dead (default: ${DEFAULT-VALUE}).")
  private long deadTokens;

  @Option(
      names = "--resample-steps",
      defaultValue = "0",
      paramLabel = "N",
      description = {
        "Every N steps, dead features start anew at tokens that are reconstructed badly; 0: never",
        "(default: ${DEFAULT-VALUE})."
      })
  private int resampleSteps;

  @Option(
      names = "--centre",
      defaultValue = "mean",
      description = {
        "Where b_dec begins: mean or (geometric) median of the first activations",
        "(default: ${DEFAULT-VALUE})."
      })
  private String centre;

  @Option(
      names = "--from",
      paramLabel = "SAE",
      description = "Folder of an SAE to fine-tune, in place of fresh weights.")
  private @Nullable Path from;

  @Option(
      names = "--buffer-mb",
      defaultValue = "1024",
      description = "Memory for activations of pictures, in MiB (default: ${DEFAULT-VALUE}).")
  private long bufferMb;

  @Option(
      names = "--dtype",
      defaultValue = "fp32",
      description = "The tower's: fp32 or bf16 (default: ${DEFAULT-VALUE}).")
  private String dtype;

  @Option(names = "--out", required = true, paramLabel = "RUN", description = "New folder.")
  private Path out;

  @Option(
      names = "--resume",
      description = "Continue a training that was stopped, to the same SAEs.")
  private boolean resume;

  @Option(
      names = "--checkpoint-minutes",
      defaultValue = "5",
      paramLabel = "M",
      description = "Time between two states to resume from (default: ${DEFAULT-VALUE}).")
  private double checkpointMinutes;

  @Option(
      names = "--mlflow",
      paramLabel = "URI",
      description = "Send settings and curve to an MLflow server too: http://host:port.")
  private @Nullable String mlflow;

  @Override
  public Integer call() {
    long sources =
        Stream.of(pictures.isGiven() ? this : null, store, texts).filter(Objects::nonNull).count();
    if (sources != 1) {
      throw new ParameterException(
          spec.commandLine(), "Give one of --images or --texts, with --model, or --store");
    }
    if (store == null && model == null) {
      throw new ParameterException(spec.commandLine(), "Missing required option: '--model=PATH'");
    }
    common.apply();
    Training.Config config = config();
    if (store == null) {
      try (ClipModel clip = load()) {
        train(
            texts == null
                ? new TrainSource.FromPictures(clip, pictures.resolve(clip))
                : new TrainSource.FromTexts(clip, TrainSource.Texts.read(texts)),
            config);
      }
      return 0;
    }
    try (ActivationStore open = ActivationStore.open(store)) {
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
    result.skipped().forEach(s -> System.err.println("left out " + s.id() + ": " + s.reason()));
    common.print(json(result), text(result));
  }

  private Training.Config config() {
    InputNormalisation.Kind normalisation =
        switch (normalise) {
          case "layer_norm" -> InputNormalisation.Kind.LAYER_NORM;
          case "none" -> InputNormalisation.Kind.NONE;
          case "standardise" -> InputNormalisation.Kind.STANDARDISE;
          default ->
              throw new InputException(
                  "--normalise " + normalise, "not known", "Use layer_norm, none or standardise");
        };
    SaeTrainer.Centre middle =
        switch (centre) {
          case "mean" -> SaeTrainer.Centre.MEAN;
          case "median" -> SaeTrainer.Centre.MEDIAN;
          default ->
              throw new InputException("--centre " + centre, "not known", "Use mean or median");
        };
    check();
    return new Training.Config(
        specs(),
        CommonOptions.value("--tokens-selection", tokens, TokenSelection::parse),
        normalisation,
        CommonOptions.dtype("--encoder-product", encoderProduct),
        expansion,
        trainTokens,
        batch,
        new Schedule(learningRate, shape(), warmUp, sparsityWarmUp),
        clip,
        deadTokens,
        resampleSteps,
        middle,
        common.seed(),
        bufferMb << 20,
        from);
  }

  private void check() {
    atLeast("--expansion", expansion, 1, 1024);
    atLeast("--batch", batch, 1, 1 << 20);
    atLeast("--train-tokens", trainTokens, batch, Long.MAX_VALUE);
    atLeast("--buffer-mb", bufferMb, 1, 1 << 20);
    atLeast("--warm-up", warmUp, -1, Integer.MAX_VALUE);
    atLeast("--dead-tokens", deadTokens, 1, Long.MAX_VALUE);
    atLeast("--resample-steps", resampleSteps, 0, Integer.MAX_VALUE);
    if (!(learningRate > 0 && learningRate <= 1)) {
      throw new InputException("--lr " + learningRate, "not in (0, 1]", "Try 1e-3");
    }
    if (!(sparsityWarmUp >= 0 && sparsityWarmUp <= 1)) {
      throw new InputException("--sparsity-warm-up " + sparsityWarmUp, "not in [0, 1]", "Try 0.1");
    }
    if (!(clip >= 0 && clip < Double.POSITIVE_INFINITY)) {
      throw new InputException("--clip " + clip, "below 0", "Try 1");
    }
    if (!(checkpointMinutes >= 0 && checkpointMinutes < 1e6)) {
      throw new InputException("--checkpoint-minutes " + checkpointMinutes, "below 0", "Try 5");
    }
  }

  private Schedule.Shape shape() {
    return switch (schedule) {
      case "constant" -> Schedule.Shape.CONSTANT;
      case "cosine" -> Schedule.Shape.COSINE;
      case "linear" -> Schedule.Shape.LINEAR;
      default ->
          throw new InputException(
              "--schedule " + schedule, "not known", "Use constant, cosine or linear");
    };
  }

  /** Every kind, with every target where there are any, at every layer. */
  private List<SaeSpec> specs() {
    List<SaeSpec> specs = new ArrayList<>();
    for (HookPoint point : Layers.points(layers, site, texts != null)) {
      for (String sae : saes) {
        SaeVariant variant = SaeVariant.parse(sae);
        if (targets.isEmpty()) {
          specs.add(new SaeSpec(point, variant));
          continue;
        }
        for (double target : targets) specs.add(targeted(point, variant, target));
      }
    }
    return specs;
  }

  private static SaeSpec targeted(HookPoint point, SaeVariant variant, double target) {
    if (!(target > 0 && target < 1e6)) {
      throw new InputException("--target-l0 " + target, "not above 0", "Try 32");
    }
    boolean penalised =
        switch (variant) {
          case SaeVariant.Relu relu -> relu.l1() > 0;
          case SaeVariant.JumpRelu jump -> jump.l0() > 0;
          case SaeVariant.TopK top -> false;
          case SaeVariant.BatchTopK top -> false;
          case SaeVariant.Matryoshka top -> false;
        };
    if (penalised) return new SaeSpec(point, variant, target);
    throw new InputException(
        "--target-l0",
        variant.spelling() + " has no penalty to steer",
        "Use it with relu:l1=… or jumprelu:l0=…; the others have their k");
  }

  private static void atLeast(String option, long value, long low, long high) {
    if (value < low || value > high) {
      throw new InputException(
          option + " " + value, "not from " + low + " to " + high, "Correct it");
    }
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
      one.put("path", out.resolve("saes").resolve(trained.spec().name()).toString());
      list.add(one);
    }
    json.put("saes", list);
    json.put("tokens_per_second", result.trainTokensPerSecond());
    json.put("harvest_tokens_per_second", result.harvestTokensPerSecond());
    json.put("images", result.images());
    json.put("evaluation_images", result.evaluationImages());
    json.put("skipped", result.skipped().size());
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
            Counted.of(result.images(), texts == null ? "picture" : "text"),
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
