// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.model.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.SaeVariant;
import io.clipsteer.lab.Progress;
import io.clipsteer.lab.TrainRun;
import io.clipsteer.lab.Training;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Trains an SAE straight from pictures. */
@Command(
    name = "train",
    description = {
      "Train a sparse autoencoder on one layer's activations.",
      "Every tenth picture is kept aside; explained variance, L0 and alive features are measured"
          + " on those."
    },
    footer = {
      "",
      "Example: clipsteer train --model models/clip --images photos --layer 8 --sae topk:k=32"
          + " --expansion 16 --train-tokens 1000000 --out runs/l8"
    })
final class TrainCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;
  @Mixin private PictureOptions pictures;
  @Spec private CommandSpec spec;

  @Option(
      names = "--model",
      required = true,
      paramLabel = "PATH",
      description = "A checkpoint's folder or file.")
  private Path model;

  @Option(
      names = "--layer",
      required = true,
      paramLabel = "L",
      description = "Block whose output is read, from 0.")
  private int layer;

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
      description = "Kind of SAE: topk:k=K (default: ${DEFAULT-VALUE}).")
  private String sae;

  @Option(
      names = "--normalise",
      defaultValue = "layer_norm",
      description = "Input normalisation: layer_norm or none (default: ${DEFAULT-VALUE}).")
  private String normalise;

  @Option(
      names = "--encoder-product",
      defaultValue = "fp32",
      description = {
        "fp32, or bf16: a faster product proposes features, whose activations are then computed",
        "exactly (default: ${DEFAULT-VALUE})."
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
      names = "--buffer-mb",
      defaultValue = "1024",
      description = "Memory for activations, in MiB (default: ${DEFAULT-VALUE}).")
  private long bufferMb;

  @Option(
      names = "--dtype",
      defaultValue = "fp32",
      description = "The tower's: fp32 or bf16 (default: ${DEFAULT-VALUE}).")
  private String dtype;

  @Option(names = "--out", required = true, paramLabel = "RUN", description = "New folder.")
  private Path out;

  @Override
  public Integer call() {
    common.apply();
    Training.Config config = config();
    Progress progress = common.progress();
    try (ClipModel clip =
        ClipModel.load(model, CommonOptions.dtype("--dtype", dtype), common.device())) {
      List<String> command = spec.commandLine().getParent().getParseResult().originalArgs();
      TrainRun run = new TrainRun(clip, pictures.resolve(clip), config, command, out);
      Training.Result result = run.run(progress);
      result.skipped().forEach(s -> System.err.println("left out " + s.id() + ": " + s.reason()));
      common.print(json(result), text(result));
    }
    return 0;
  }

  private Training.Config config() {
    InputNormalisation normalisation =
        switch (normalise) {
          case "layer_norm" -> new InputNormalisation.LayerNorm();
          case "none" -> new InputNormalisation.None();
          default ->
              throw new InputException(
                  "--normalise " + normalise, "not known", "Use layer_norm or none");
        };
    atLeast("--layer", layer, 0, 9999);
    atLeast("--expansion", expansion, 1, 1024);
    atLeast("--batch", batch, 1, 1 << 20);
    atLeast("--train-tokens", trainTokens, batch, Long.MAX_VALUE);
    atLeast("--buffer-mb", bufferMb, 1, 1 << 20);
    if (!(learningRate > 0 && learningRate <= 1)) {
      throw new InputException("--lr " + learningRate, "not in (0, 1]", "Try 1e-3");
    }
    return new Training.Config(
        HookPoint.parse("blocks." + layer + "." + site),
        TokenSelection.parse(tokens),
        SaeVariant.parse(sae),
        normalisation,
        CommonOptions.dtype("--encoder-product", encoderProduct),
        expansion,
        trainTokens,
        batch,
        learningRate,
        common.seed(),
        bufferMb << 20);
  }

  private static void atLeast(String option, long value, long low, long high) {
    if (value < low || value > high) {
      throw new InputException(
          option + " " + value, "not from " + low + " to " + high, "Correct it");
    }
  }

  private Map<String, Object> json(Training.Result result) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("explained_variance", result.quality().explainedVariance());
    json.put("l0", result.quality().l0());
    json.put("alive_fraction", result.quality().aliveFraction());
    json.put("tokens_per_second", result.trainTokensPerSecond());
    json.put("harvest_tokens_per_second", result.harvestTokensPerSecond());
    json.put("features", result.features());
    json.put("images", result.images());
    json.put("evaluation_images", result.evaluationImages());
    json.put("skipped", result.skipped().size());
    json.put("seconds", result.seconds());
    json.put("run", out.toString());
    return json;
  }

  private String text(Training.Result result) {
    var q = result.quality();
    return String.format(
        Locale.ROOT,
        "%s, %s: %d features trained on %d pictures in %.0f s%n"
            + "on %d pictures kept aside: explained variance %.4f, L0 %.1f, alive %.1f %%%n"
            + "%.0f tokens/s training, %.0f tokens/s harvesting; run: %s%n",
        "blocks." + layer + "." + site,
        sae,
        result.features(),
        result.images(),
        result.seconds(),
        result.evaluationImages(),
        q.explainedVariance(),
        q.l0(),
        100 * q.aliveFraction(),
        result.trainTokensPerSecond(),
        result.harvestTokensPerSecond(),
        out);
  }
}
