// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.bench;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.HelpOption;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.InputException;
import io.clipsteer.engine.Bf16Arithmetic;
import io.clipsteer.lab.index.IndexBench;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.selectivity.SelectivityBench;
import io.clipsteer.lab.steer.SteerabilityBench;
import io.clipsteer.lab.suppress.EditBench;
import io.clipsteer.lab.train.TrainBench;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code bench}: benchmarks of this machine. */
@Command(
    name = "bench",
    description =
        "Benchmark this machine: training, index, steerability, selectivity, edit, explorer.",
    footer = "Example: clipsteer bench train --json",
    subcommands = {
      BenchCommand.Train.class,
      BenchCommand.Index.class,
      BenchCommand.Steerability.class,
      BenchCommand.Selectivity.class,
      ExplorerBenchCommand.class
    })
public final class BenchCommand {
  @Mixin private HelpOption help;

  /** {@code bench train}. */
  @Command(
      name = "train",
      description = "Time training steps of a TopK and a ReLU SAE on random activations.",
      footer = "Example: clipsteer bench train --features 49152 --json")
  static final class Train implements Runnable {
    @Mixin private CommonOptions common;

    @Option(names = "--width", defaultValue = "768", description = "Width d of the activations.")
    private int width;

    @Option(names = "--features", defaultValue = "49152", description = "Features of the SAE.")
    private int features;

    @Option(names = "--batch", defaultValue = "4096", description = "Tokens per step.")
    private int batch;

    @Option(names = "--k", defaultValue = "64", description = "Active features per token.")
    private int k;

    @Option(
        names = "--l0",
        defaultValue = "700",
        description = "L0 of the ReLU SAE, 0 = without it.")
    private int l0;

    @Option(names = "--steps", defaultValue = "7", description = "Timed steps.")
    private int steps;

    @Override
    public void run() {
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
        text += text(Lines.of("ReLU at L0 %.0f", relu.l0()), relu);
        peak = relu.peakBytes();
      }
      json.put("peak_bytes", peak);
      text += Lines.of("peak memory: %.0f MiB%n", peak / 1048576.0);
      common.print(json, text);
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
      Lines text = new Lines();
      text.add(
          "%s: %.1f ms per step (%.0f tokens/s), %.2f times the encoder's %s product of %.1f"
              + " ms%n",
          kind,
          1e3 * result.step(),
          batch / result.step(),
          result.step() / result.encoderProduct(),
          encoderProduct(),
          1e3 * result.encoderProduct());
      parts(result)
          .forEach((part, seconds) -> text.add("  %-12s %7.1f ms%n", part, 1e3 * (double) seconds));
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
      footer = "Example: clipsteer bench index --json")
  static final class Index implements Runnable {
    @Mixin private CommonOptions common;

    @Option(names = "--width", defaultValue = "768", description = "Width d of the activations.")
    private int width;

    @Option(names = "--features", defaultValue = "49152", description = "Features of the SAE.")
    private int features;

    @Option(names = "--tokens", defaultValue = "100000", description = "Patch tokens.")
    private int tokens;

    @Option(names = "--k", defaultValue = "64", description = "Active features per token.")
    private int k;

    private record Json(
        int width, int features, int tokens, int k, @JsonUnwrapped IndexBench.IndexTimes result) {}

    @Override
    public void run() {
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
          Lines.of(
              "%.1f s, of which encoding %.1f s; peak memory %.2f GB",
              result.seconds(), result.encodeSeconds(), 1e-9 * result.peakBytes()));
    }
  }

  /** {@code bench selectivity}: a whole study of patches at the last layer. */
  @Command(
      name = "selectivity",
      description = {
        "Time a study of selectivity of patches at the last layer, on random residuals in memory:"
            + " features chosen on as many other images, two edits of each class, all controls."
      },
      footer = "Example: clipsteer bench selectivity --json")
  static final class Selectivity implements Runnable {
    @Mixin private CommonOptions common;

    @Option(names = "--classes", defaultValue = "150", description = "Classes of the head.")
    private int classes;

    @Option(names = "--images", defaultValue = "500", description = "Images of the result.")
    private int images;

    @Option(names = "--patches", defaultValue = "196", description = "Patches of an image.")
    private int patches;

    @Option(names = "--width", defaultValue = "768", description = "Width d of the residual.")
    private int width;

    @Option(names = "--features", defaultValue = "6144", description = "Features of the SAE.")
    private int features;

    @Option(names = "--controls", defaultValue = "20", description = "Controls of each kind.")
    private int controls;

    @Override
    public void run() {
      common.applyOnCpu();
      CommonOptions.within("--classes", classes, 2, 255);
      CommonOptions.within("--images", images, 2, 1 << 14);
      CommonOptions.within("--patches", patches, 1, 1 << 12);
      CommonOptions.within("--width", width, 2, 1 << 14);
      CommonOptions.within("--features", features, 32, 1 << 20);
      CommonOptions.within("--controls", controls, 1, 10_000);
      var shape =
          new SelectivityBench.StudyShape(classes, images, patches, width, features, controls);
      var result = SelectivityBench.run(shape, common.seed(), common.progress());
      common.print(
          result,
          Lines.of(
              "%d of %d classes studied, %s, %d patches each: %.1f s, peak memory %.2f GB%n",
              result.studied(),
              classes,
              Counted.of(images, "image"),
              patches,
              result.seconds(),
              result.peakBytes() / 1e9));
    }
  }

  /** {@code bench steerability}: the last layer's sweep against the direct computation. */
  @Command(
      name = "steerability",
      description = {
        "Time the steerability of all features of the last layer, on random weights.",
        "The direct computation (edit, norm, projection, softmax) is timed on a sample of the"
            + " features."
      },
      footer = "Example: clipsteer bench steerability --json")
  static final class Steerability implements Runnable {
    @Mixin private CommonOptions common;

    @Option(names = "--features", defaultValue = "49152", description = "Features of the SAE.")
    private int features;

    @Option(names = "--images", defaultValue = "192", description = "Number of images.")
    private int images;

    @Option(names = "--words", defaultValue = "5000", description = "Words of the vocabulary.")
    private int words;

    @Option(names = "--width", defaultValue = "768", description = "Width d of the residual.")
    private int width;

    @Option(names = "--embedding", defaultValue = "512", description = "Width of the embedding.")
    private int embedding;

    @Option(
        names = "--tokens",
        defaultValue = "50",
        description = "Tokens per image, for the direct computation.")
    private int tokens;

    @Override
    public void run() {
      common.applyOnCpu();
      CommonOptions.within("--features", features, 32, 1 << 20);
      CommonOptions.within("--images", images, 1, 1 << 14);
      CommonOptions.within("--words", words, 2, 1 << 17);
      CommonOptions.within("--width", width, 2, 1 << 14);
      CommonOptions.within("--embedding", embedding, 2, 1 << 14);
      CommonOptions.within("--tokens", tokens, 1, 1 << 12);
      if ((long) features * width > 1L << 28
          || (long) images * words > 1L << 26
          || (long) words * embedding > 1L << 26
          || (long) images * tokens * width > 1L << 28) {
        throw new InputException(
            "--features " + features, "with these sizes is too large", "Use smaller sizes");
      }
      var shape =
          new SteerabilityBench.BenchShape(features, images, words, width, embedding, tokens);
      var result = SteerabilityBench.run(shape, common.seed(), common.progress());
      common.print(
          result,
          Lines.of(
              "%s, %s, %s: %.1f s, peak memory %.2f GB%n"
                  + "direct computation %.0f s (%.1f times as long), editing all tokens %.0f s"
                  + " (%.1f times); estimated from %s%n"
                  + "largest difference of a probability %.1e; of S from float64 %.1e%n",
              Counted.of(features, "feature"),
              Counted.of(images, "image"),
              Counted.of(words, "word"),
              result.seconds(),
              result.peakBytes() / 1e9,
              result.plainSeconds(),
              result.plainSeconds() / result.seconds(),
              result.plainAllTokens(),
              result.plainAllTokens() / result.seconds(),
              Counted.of(result.sampled(), "feature"),
              result.maxDifference(),
              result.maxScoreDifference()));
    }
  }

  /** {@code bench edit}: the cost of an edit. */
  @Command(
      name = "edit",
      description = "Time a ViT-B/32 tower without an edit, with an edit, and with a whole SAE.",
      footer = "Example: clipsteer bench edit --json")
  void edit(
      @Mixin CommonOptions common,
      @Option(names = "--features", defaultValue = "49152", description = "Features of the SAE.")
          int features,
      @Option(names = "--chosen", defaultValue = "50", description = "Features the edit ablates.")
          int chosen,
      @Option(
              names = "--image-batch",
              defaultValue = "16",
              description = "Images in one forward pass.")
          int images,
      @Option(names = "--rounds", defaultValue = "15", description = "Timed rounds.") int rounds) {
    common.applyOnCpu();
    CommonOptions.within("--features", features, 1, 1 << 18);
    CommonOptions.within("--chosen", chosen, 1, features);
    CommonOptions.within("--image-batch", images, 1, 256);
    CommonOptions.within("--rounds", rounds, 1, 1000);
    var shape = new EditBench.EditBenchShape(features, chosen, images, rounds);
    EditBench.EditBenchResult result = EditBench.run(shape, common.seed(), common.progress());
    common.print(
        result,
        Lines.of(
            "a pass of %s: %.3f s; with %d of %s ablated %.3f s; through the whole SAE %.3f s%nthe"
                + " edit adds %+.1f %% (median of %s; 95 %% interval %+.1f to %+.1f, rounds from"
                + " %+.1f to %+.1f)%n%s%nembeddings of the two edits differ by %.1e at most; the"
                + " edit moves them by %.1e",
            Counted.of(images, "image"),
            result.towerSeconds(),
            chosen,
            Counted.of(features, "feature"),
            result.editedSeconds(),
            result.fullSeconds(),
            100 * result.added().value(),
            Counted.of(rounds, "round"),
            100 * result.added().low(),
            100 * result.added().high(),
            100 * result.least(),
            100 * result.most(),
            noise(result),
            result.maxDifference(),
            result.moved()));
  }

  private static String noise(EditBench.EditBenchResult result) {
    return result.added().low() <= 0 && result.added().high() >= 0
        ? "the interval contains 0: the cost is below this machine's noise"
        : "rounds vary with the machine's noise: compare intervals, not medians";
  }
}
