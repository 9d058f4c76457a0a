// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TowerKind;
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
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The SAEs that {@code train} trains, and their hyperparameters. */
public final class TrainOptions {
  @Mixin private HookOptions hook;

  @Option(
      names = "--sae",
      defaultValue = "topk:k=32",
      paramLabel = "KIND",
      description = "Kind of SAE, see below; repeatable.")
  private List<String> saes;

  @Option(
      names = "--expansion",
      defaultValue = "16",
      description = "Expansion factor d_sae / d_in.")
  private int expansion;

  @Option(
      names = "--train-tokens",
      defaultValue = "1000000",
      description = "Training tokens, over all epochs.")
  private long trainTokens;

  @Option(
      names = "--lr",
      defaultValue = "1e-3",
      paramLabel = "RATE",
      description = "Peak learning rate of Adam.")
  private double learningRate;

  @Option(names = "--batch", defaultValue = "1024", description = "Tokens in a training step.")
  private int batch;

  @Option(
      names = "--target-l0",
      split = ",",
      paramLabel = "L0",
      description =
          "Tune the sparsity penalty of each relu or jumprelu SAE to this L0; 32,64,128 trains"
              + " three. SAEs of other kinds are trained once, by their k.")
  private List<Double> targets = List.of();

  @Option(
      names = "--normalise",
      defaultValue = "layer_norm",
      paramLabel = "KIND",
      description =
          "Input normalisation: ${COMPLETION-CANDIDATES}. standardise is fitted to the first"
              + " activations and folded into the weights.")
  private InputNormalisation.Kind normalise;

  @Option(
      names = "--schedule",
      defaultValue = "linear",
      paramLabel = "KIND",
      description =
          "Learning rate after the warm-up: ${COMPLETION-CANDIDATES}. cosine decays to 0, linear"
              + " over the last fifth of the steps.")
  private Schedule.Shape schedule;

  @Option(
      names = "--warm-up",
      defaultValue = "-1",
      hideParamSyntax = true,
      paramLabel = "STEPS",
      description = "Warm-up steps of the learning rate (default: a twentieth of all steps).")
  private int warmUp;

  @Option(
      names = "--sparsity-warm-up",
      defaultValue = "0",
      paramLabel = "SHARE",
      description =
          "Share of all steps over which the sparsity penalty of relu and jumprelu rises.")
  private double sparsityWarmUp;

  @Option(
      names = "--clip",
      defaultValue = "0",
      paramLabel = "NORM",
      description = "Gradient-norm clip of each SAE, 0 = off.")
  private double clip;

  @Option(
      names = "--dead-tokens",
      defaultValue = "1000000",
      description = "Tokens without activation after which a feature counts as dead.")
  private long deadTokens;

  @Option(
      names = "--resample-steps",
      defaultValue = "0",
      description =
          "Resample dead features every N steps from badly reconstructed tokens, 0 = off; not for"
              + " matryoshka.")
  private int resampleSteps;

  @Option(
      names = "--centre",
      defaultValue = "mean",
      paramLabel = "KIND",
      description = "Initial b_dec: ${COMPLETION-CANDIDATES} (geometric) of the first activations.")
  private SaeTrainer.Centre centre;

  @Option(
      names = "--from",
      paramLabel = "SAE",
      description = "Fine-tune the SAE in this folder in place of random weights.")
  private @Nullable Path from;

  @Option(
      names = "--encoder-product",
      defaultValue = "fp32",
      paramLabel = "DTYPE",
      completionCandidates = DtypeWords.class,
      description =
          "Arithmetic of the encoder's product: fp32, or bf16 for topk SAEs (proposes features,"
              + " whose activations are then computed in fp32).")
  private DType encoderProduct;

  @Option(
      names = "--buffer-mb",
      defaultValue = "1024",
      paramLabel = "MIB",
      description = "Memory that shuffles activations, in MiB.")
  private long bufferMb;

  /**
   * The training's settings.
   *
   * @param tower whose layers are meant
   * @param device where the SAEs are trained
   * @throws InputException for a value out of range
   */
  public TrainConfig config(TowerKind tower, long seed, Device device) {
    check();
    return new TrainConfig(
        specs(tower),
        hook.tokens(),
        expansion,
        new Schedule(trainTokens, batch, learningRate, schedule, warmUp, sparsityWarmUp),
        new SaeSettings(normalise, encoderProduct, clip, deadTokens, resampleSteps, centre),
        seed,
        bufferMb << 20,
        from == null ? null : RunOptions.sae(from),
        device);
  }

  private void check() {
    CommonOptions.within("--expansion", expansion, 1, 1024);
    CommonOptions.within("--batch", batch, 1, 1 << 20);
    CommonOptions.within("--train-tokens", trainTokens, batch, Long.MAX_VALUE);
    CommonOptions.within("--buffer-mb", bufferMb, 1, 1 << 20);
    CommonOptions.within("--warm-up", warmUp, -1, Integer.MAX_VALUE);
    CommonOptions.within("--dead-tokens", deadTokens, 1, Long.MAX_VALUE);
    CommonOptions.within("--resample-steps", resampleSteps, 0, Integer.MAX_VALUE);
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

  /** Every kind at every layer; a kind with a penalty once for every target. */
  private List<SaeSpec> specs(TowerKind tower) {
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
    for (HookPoint point : hook.points(tower)) {
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
}
