// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.bench;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
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
import picocli.CommandLine.Option;

/** {@code bench}: benchmarks of this machine. */
@Command(
    name = "bench",
    description = "Benchmark this machine: training, index, steerability, edit.",
    footer = {"", "Example: clipsteer bench train --json"},
    subcommands = {
      BenchCommand.Train.class,
      BenchCommand.Index.class,
      BenchSteerabilityCommand.class,
      BenchEditCommand.class
    })
public final class BenchCommand {
  @Mixin private HelpOption help;

  /** {@code bench train}. */
  @Command(
      name = "train",
      description = "Time training steps of a TopK and a ReLU SAE on random activations.",
      footer = {"", "Example: clipsteer bench train --features 49152 --json"})
  static final class Train implements Callable<Integer> {
    @Mixin private CommonOptions common;

    @Option(
        names = "--width",
        defaultValue = "768",
        paramLabel = "N",
        description = "Width d of the activations (default: ${DEFAULT-VALUE}).")
    private int width;

    @Option(
        names = "--features",
        defaultValue = "49152",
        paramLabel = "N",
        description = "Features of the SAE (default: ${DEFAULT-VALUE}).")
    private int features;

    @Option(
        names = "--batch",
        defaultValue = "4096",
        paramLabel = "N",
        description = "Tokens per step (default: ${DEFAULT-VALUE}).")
    private int batch;

    @Option(
        names = "--k",
        defaultValue = "64",
        paramLabel = "N",
        description = "Active features per token (default: ${DEFAULT-VALUE}).")
    private int k;

    @Option(
        names = "--l0",
        defaultValue = "700",
        paramLabel = "N",
        description = "L0 of the ReLU SAE, 0 = without it (default: ${DEFAULT-VALUE}).")
    private int l0;

    @Option(
        names = "--steps",
        defaultValue = "7",
        paramLabel = "N",
        description = "Timed steps (default: ${DEFAULT-VALUE}).")
    private int steps;

    @Override
    public Integer call() {
      common.applyOnCpu();
      CommonOptions.within("--width", width, 1, 1 << 14);
      CommonOptions.within("--features", features, 1, 1 << 20);
      CommonOptions.within("--batch", batch, 1, 1 << 16);
      CommonOptions.within("--k", k, 1, features);
      CommonOptions.within("--l0", l0, 0, features);
      CommonOptions.within("--steps", steps, 1, 10_000);
      if ((long) width * features > 1L << 30 || (long) batch * width > 1L << 28) {
        throw new InputException(
            "--width " + width, "with these features and tokens is too large", "Use smaller sizes");
      }
      var bench = new TrainBench(width, features, batch, steps, common.seed(), common.progress());
      var top = bench.topK(k);
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
        var relu = bench.relu(l0);
        json.put("relu_l0", relu.l0());
        json.put("relu_step_seconds", relu.step());
        json.put("relu_parts", parts(relu));
        text += text(String.format(Locale.ROOT, "ReLU at L0 %.0f", relu.l0()), relu);
        peak = relu.peakBytes();
      }
      json.put("peak_bytes", peak);
      text += String.format(Locale.ROOT, "peak memory: %.0f MiB%n", peak / 1048576.0);
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
              "%s: %.1f ms per step (%.0f tokens/s), %.2f times the encoder's %s product of %.1f"
                  + " ms%n",
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

  /** {@code bench index}. */
  @Command(
      name = "index",
      description = {
        "Time the index of random tokens and measure its memory.",
        "Includes encoding, sums, top images, AUROC of 10 labels and tables; not the tower, not"
            + " the names."
      },
      footer = {"", "Example: clipsteer bench index --json"})
  static final class Index implements Callable<Integer> {
    @Mixin private CommonOptions common;

    @Option(
        names = "--width",
        defaultValue = "768",
        paramLabel = "N",
        description = "Width d of the activations (default: ${DEFAULT-VALUE}).")
    private int width;

    @Option(
        names = "--features",
        defaultValue = "49152",
        paramLabel = "N",
        description = "Features of the SAE (default: ${DEFAULT-VALUE}).")
    private int features;

    @Option(
        names = "--tokens",
        defaultValue = "100000",
        paramLabel = "N",
        description = "Patch tokens (default: ${DEFAULT-VALUE}).")
    private int tokens;

    @Option(
        names = "--k",
        defaultValue = "64",
        paramLabel = "N",
        description = "Active features per token (default: ${DEFAULT-VALUE}).")
    private int k;

    private record Json(
        int width, int features, int tokens, int k, @JsonUnwrapped IndexBench.IndexTimes result) {}

    @Override
    public Integer call() {
      common.applyOnCpu();
      CommonOptions.within("--width", width, 1, 1 << 14);
      CommonOptions.within("--features", features, 1, 1 << 20);
      CommonOptions.within("--tokens", tokens, 1, 1 << 30);
      CommonOptions.within("--k", k, 1, features);
      if ((long) width * features > 1L << 29) {
        throw new InputException(
            "--width " + width, "with these features is too large", "Use smaller sizes");
      }
      IndexBench.IndexTimes result =
          IndexBench.run(width, features, k, tokens, common.seed(), common.progress());
      common.print(
          new Json(width, features, tokens, k, result),
          String.format(
              Locale.ROOT,
              "%.1f s, of which encoding %.1f s; peak memory %.2f GB",
              result.seconds(),
              result.encodeSeconds(),
              1e-9 * result.peakBytes()));
      return 0;
    }
  }
}
