// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.bench;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.HelpOption;
import io.clipsteer.data.InputException;
import io.clipsteer.engine.Bf16Arithmetic;
import io.clipsteer.lab.index.IndexBench;
import io.clipsteer.lab.train.TrainBench;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** How fast this machine is at what takes long. */
@Command(
    name = "bench",
    description = "How fast this machine is at what takes long.",
    footer = {"", "Example: clipsteer bench train --json"},
    subcommands = {
      BenchCommand.Train.class,
      BenchCommand.Index.class,
      BenchSteerabilityCommand.class,
      BenchEditCommand.class
    })
public final class BenchCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Mixin private HelpOption help;

  @Override
  public void run() {
    throw new ParameterException(
        spec.commandLine(), "Name what to time: train, index, steerability or edit.");
  }

  /** Training steps. */
  @Command(
      name = "train",
      description = "Times training steps of a TopK and a ReLU SAE on made-up activations.",
      footer = {"", "Example: clipsteer bench train --features 49152 --json"})
  static final class Train implements Callable<Integer> {
    @Mixin private CommonOptions common;

    @Option(
        names = "--width",
        defaultValue = "768",
        description = "Numbers of an activation (default: ${DEFAULT-VALUE}).")
    private int width;

    @Option(
        names = "--features",
        defaultValue = "49152",
        description = "Features (default: ${DEFAULT-VALUE}).")
    private int features;

    @Option(
        names = "--batch",
        defaultValue = "4096",
        description = "Tokens a step (default: ${DEFAULT-VALUE}).")
    private int batch;

    @Option(
        names = "--k",
        defaultValue = "64",
        description = "Active features of a token (default: ${DEFAULT-VALUE}).")
    private int k;

    @Option(
        names = "--l0",
        defaultValue = "700",
        description = "Of the ReLU SAE; 0 leaves it out (default: ${DEFAULT-VALUE}).")
    private int l0;

    @Option(
        names = "--steps",
        defaultValue = "7",
        description = "Steps timed (default: ${DEFAULT-VALUE}).")
    private int steps;

    @Override
    public Integer call() {
      common.applyOnCpu();
      within("--width", width, 1, 1 << 14);
      within("--features", features, 1, 1 << 20);
      within("--batch", batch, 1, 1 << 16);
      within("--k", k, 1, features);
      within("--l0", l0, 0, features);
      within("--steps", steps, 1, 10_000);
      if ((long) width * features > 1L << 30 || (long) batch * width > 1L << 28) {
        throw new InputException(
            "--width " + width, "with these features and tokens is too large", "Time less at once");
      }
      var top = TrainBench.topK(width, features, batch, k, steps, common.seed(), common.progress());
      Map<String, Object> json = new LinkedHashMap<>();
      json.put("width", width);
      json.put("features", features);
      json.put("batch", batch);
      json.put("k", k);
      json.put("topk_step_seconds", top.step());
      json.put("tokens_per_second", batch / top.step());
      json.put("encoder_product", encoderProduct());
      json.put("bf16_arithmetic", Bf16Arithmetic.CPU.label());
      json.put("encoder_product_seconds", top.encoderProduct());
      json.put("parts", parts(top));
      String text = text("TopK", top);
      long peak = top.peakBytes();
      if (l0 > 0) {
        var relu =
            TrainBench.relu(width, features, batch, l0, steps, common.seed(), common.progress());
        json.put("relu_l0", relu.l0());
        json.put("relu_step_seconds", relu.step());
        json.put("relu_parts", parts(relu));
        text += text(String.format(Locale.ROOT, "ReLU at L0 %.0f", relu.l0()), relu);
        peak = relu.peakBytes();
      }
      json.put("peak_bytes", peak);
      text += String.format(Locale.ROOT, "most memory held: %.0f MiB%n", peak / 1048576.0);
      common.print(json, text);
      return 0;
    }

    private static String encoderProduct() {
      return Bf16Arithmetic.CPU.inBf16() ? "bf16" : "fp32";
    }

    private static Map<String, Object> parts(TrainBench.StepTimes result) {
      Map<String, Object> parts = new LinkedHashMap<>();
      result
          .parts()
          .forEach((part, seconds) -> parts.put(part.name().toLowerCase(Locale.ROOT), seconds));
      return parts;
    }

    private String text(String kind, TrainBench.StepTimes result) {
      StringBuilder text = new StringBuilder();
      text.append(
          String.format(
              Locale.ROOT,
              "%s: a step %.1f ms (%.0f tokens/s), %.2f of the encoder's %s product, %.1f ms%n",
              kind,
              1e3 * result.step(),
              batch / result.step(),
              result.step() / result.encoderProduct(),
              encoderProduct(),
              1e3 * result.encoderProduct()));
      parts(result)
          .forEach(
              (part, seconds) ->
                  text.append(
                      String.format(
                          Locale.ROOT, "  %-12s %7.1f ms%n", part, 1e3 * (double) seconds)));
      return text.toString();
    }
  }

  /** An index. */
  @Command(
      name = "index",
      description = {
        "Times an index of made-up tokens and counts its memory: encoding, sums, strongest"
            + " images, associations with 10 labels, tables; not the tower, not the names."
      },
      footer = {"", "Example: clipsteer bench index --json"})
  static final class Index implements Callable<Integer> {
    @Mixin private CommonOptions common;

    @Option(
        names = "--width",
        defaultValue = "768",
        description = "Numbers of an activation (default: ${DEFAULT-VALUE}).")
    private int width;

    @Option(
        names = "--features",
        defaultValue = "49152",
        description = "Features (default: ${DEFAULT-VALUE}).")
    private int features;

    @Option(
        names = "--tokens",
        defaultValue = "100000",
        description = "Patch tokens (default: ${DEFAULT-VALUE}).")
    private int tokens;

    @Option(
        names = "--k",
        defaultValue = "64",
        description = "Active features of a token (default: ${DEFAULT-VALUE}).")
    private int k;

    @Override
    public Integer call() {
      common.applyOnCpu();
      within("--width", width, 1, 1 << 14);
      within("--features", features, 1, 1 << 20);
      within("--tokens", tokens, 1, 1 << 30);
      within("--k", k, 1, features);
      if ((long) width * features > 1L << 29) {
        throw new InputException(
            "--width " + width, "with these features is too large", "Time less at once");
      }
      IndexBench.IndexTimes result =
          IndexBench.run(width, features, k, tokens, common.seed(), common.progress());
      Map<String, Object> json = new LinkedHashMap<>();
      json.put("width", width);
      json.put("features", features);
      json.put("tokens", tokens);
      json.put("k", k);
      json.put("seconds", result.seconds());
      json.put("encode_seconds", result.encodeSeconds());
      json.put("cpu_seconds", result.cpuSeconds());
      json.put("peak_bytes", result.peakBytes());
      common.print(
          json,
          String.format(
              Locale.ROOT,
              "%.1f s, %.1f of them encoding; at most %.2f GB",
              result.seconds(),
              result.encodeSeconds(),
              1e-9 * result.peakBytes()));
      return 0;
    }
  }

  static void within(String option, int value, int low, int high) {
    if (value < low || value > high) {
      throw new InputException(
          option + " " + value, "not from " + low + " to " + high, "Correct it");
    }
  }
}
