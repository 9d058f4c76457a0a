// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.bench;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.data.InputException;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.steer.SteerabilityBench;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code bench steerability}: the last layer's sweep against the direct computation. */
@Command(
    name = "steerability",
    description = {
      "Time the steerability of all features of the last layer, on random weights.",
      "The direct computation (edit, norm, projection, softmax) is timed on a sample of the"
          + " features."
    },
    footer = {"", "Example: clipsteer bench steerability --json"})
final class BenchSteerabilityCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;

  @Option(
      names = "--features",
      defaultValue = "49152",
      paramLabel = "N",
      description = "Features of the SAE (default: ${DEFAULT-VALUE}).")
  private int features;

  @Option(
      names = "--images",
      defaultValue = "192",
      paramLabel = "N",
      description = "Number of images (default: ${DEFAULT-VALUE}).")
  private int images;

  @Option(
      names = "--words",
      defaultValue = "5000",
      paramLabel = "N",
      description = "Words of the vocabulary (default: ${DEFAULT-VALUE}).")
  private int words;

  @Option(
      names = "--width",
      defaultValue = "768",
      paramLabel = "N",
      description = "Width d of the residual (default: ${DEFAULT-VALUE}).")
  private int width;

  @Option(
      names = "--embedding",
      defaultValue = "512",
      paramLabel = "N",
      description = "Width of the embedding (default: ${DEFAULT-VALUE}).")
  private int embedding;

  @Option(
      names = "--tokens",
      defaultValue = "50",
      paramLabel = "N",
      description = "Tokens per image, for the direct computation (default: ${DEFAULT-VALUE}).")
  private int tokens;

  @Override
  public Integer call() {
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
    var shape = new SteerabilityBench.BenchShape(features, images, words, width, embedding, tokens);
    var result = SteerabilityBench.run(shape, common.seed(), common.progress());
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("features", features);
    json.put("images", images);
    json.put("words", words);
    json.put("width", width);
    json.put("embedding", embedding);
    json.put("seconds", result.seconds());
    json.put("cpu_seconds", result.cpuSeconds());
    json.put("plain_path_seconds", result.plainSeconds());
    json.put("plain_path_cpu_seconds", result.plainCpuSeconds());
    json.put("plain_path_all_tokens_seconds", result.plainAllTokens());
    json.put("plain_path_sampled_features", result.sampled());
    json.put("max_probability_difference", result.maxDifference());
    json.put("max_s_difference_float64", result.maxScoreDifference());
    json.put("peak_bytes", result.peakBytes());
    common.print(
        json,
        String.format(
            Locale.ROOT,
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
    return 0;
  }
}
