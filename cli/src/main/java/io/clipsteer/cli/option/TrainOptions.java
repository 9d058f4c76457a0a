// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.train.SaeTrainer;
import io.clipsteer.engine.sae.train.SaeVariant;
import io.clipsteer.lab.train.SaeSettings;
import io.clipsteer.lab.train.SaeSpec;
import io.clipsteer.lab.train.Schedule;
import io.clipsteer.lab.train.TrainConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What {@code train} trains, and how. */
public final class TrainOptions {
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
        "one given: 32,64,128 trains three. SAEs of other kinds are trained once, by their k."
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
        "fp32, or bf16 (of topk SAEs; others keep fp32): a faster product proposes features, whose"
            + " activations are",
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
        "Every N steps, dead features start anew at tokens that are reconstructed badly; 0: never.",
        "Matryoshka SAEs are not resampled",
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
      description = "Memory for activations of images, in MiB (default: ${DEFAULT-VALUE}).")
  private long bufferMb;

  /**
   * What is trained and how.
   *
   * @param texts whether the layers are the text tower's
   * @throws InputException for a value that cannot be
   */
  public TrainConfig config(boolean texts, long seed) {
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
    return TrainConfig.of(
            specs(texts),
            CommonOptions.value("--tokens-selection", tokens, TokenSelection::parse),
            expansion,
            new Schedule(trainTokens, batch, learningRate, shape(), warmUp, sparsityWarmUp),
            seed)
        .with(
            new SaeSettings(
                normalisation,
                CommonOptions.dtype("--encoder-product", encoderProduct),
                clip,
                deadTokens,
                resampleSteps,
                middle))
        .withBufferBytes(bufferMb << 20)
        .withStart(from);
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

  /** Every kind at every layer: one with a penalty at every target, where there are any. */
  private List<SaeSpec> specs(boolean texts) {
    List<SaeVariant> variants = saes.stream().map(SaeVariant::parse).toList();
    for (double target : targets) {
      if (!(target > 0 && target < 1e6)) {
        throw new InputException("--target-l0 " + target, "not above 0", "Try 32");
      }
    }
    if (!targets.isEmpty() && variants.stream().noneMatch(TrainOptions::isPenalised)) {
      throw new InputException(
          "--target-l0",
          variants.getFirst().spelling() + " has no penalty to steer",
          "Use it with relu:l1=… or jumprelu:l0=…; the others have their k");
    }
    List<SaeSpec> specs = new ArrayList<>();
    for (HookPoint point : Layers.points(layers, site, texts)) {
      for (SaeVariant variant : variants) {
        if (targets.isEmpty() || !isPenalised(variant)) {
          specs.add(new SaeSpec(point, variant));
          continue;
        }
        for (double target : targets) specs.add(new SaeSpec(point, variant, target));
      }
    }
    return specs;
  }

  private static boolean isPenalised(SaeVariant variant) {
    return switch (variant) {
      case SaeVariant.Relu relu -> relu.l1() > 0;
      case SaeVariant.JumpRelu jump -> jump.l0() > 0;
      case SaeVariant.TopK top -> false;
      case SaeVariant.BatchTopK top -> false;
      case SaeVariant.Matryoshka top -> false;
    };
  }

  private static void atLeast(String option, long value, long low, long high) {
    if (value < low || value > high) {
      throw new InputException(
          option + " " + value, "not from " + low + " to " + high, "Correct it");
    }
  }
}
