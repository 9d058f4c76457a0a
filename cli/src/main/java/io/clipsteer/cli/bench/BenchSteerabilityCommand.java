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

/** The last layer's steerability of all features, against the plain way. */
@Command(
    name = "steerability",
    description = {
      "Times the last layer's steerability of all features on made-up weights of a model's shape,"
          + " and the plain way (edit, norm, project, softmax) on a sample of them."
    },
    footer = {"", "Example: clipsteer bench steerability --json"})
final class BenchSteerabilityCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;

  @Option(
      names = "--features",
      defaultValue = "49152",
      description = "Features (default: ${DEFAULT-VALUE}).")
  private int features;

  @Option(
      names = "--images",
      defaultValue = "192",
      description = "Images (default: ${DEFAULT-VALUE}).")
  private int images;

  @Option(
      names = "--words",
      defaultValue = "5000",
      description = "Words of the vocabulary (default: ${DEFAULT-VALUE}).")
  private int words;

  @Option(
      names = "--width",
      defaultValue = "768",
      description = "Numbers of a residual (default: ${DEFAULT-VALUE}).")
  private int width;

  @Option(
      names = "--embedding",
      defaultValue = "512",
      description = "Numbers of an embedding (default: ${DEFAULT-VALUE}).")
  private int embedding;

  @Option(
      names = "--tokens",
      defaultValue = "50",
      description = "Tokens of an image, for the plain way (default: ${DEFAULT-VALUE}).")
  private int tokens;

  @Override
  public Integer call() {
    common.applyOnCpu();
    within("--features", features, 32, 1 << 20);
    within("--images", images, 1, 1 << 14);
    within("--words", words, 2, 1 << 17);
    within("--width", width, 2, 1 << 14);
    within("--embedding", embedding, 2, 1 << 14);
    within("--tokens", tokens, 1, 1 << 12);
    if ((long) features * width > 1L << 28
        || (long) images * words > 1L << 26
        || (long) words * embedding > 1L << 26
        || (long) images * tokens * width > 1L << 28) {
      throw new InputException(
          "--features " + features, "with these sizes is too large", "Time less at once");
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
            "%s, %s, %s: %.1f s, %.2f GB at most%n"
                + "plain way %.0f s (%.1f times as long), editing all tokens %.0f s (%.1f);"
                + " from %s%n"
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

  private static void within(String option, int value, int low, int high) {
    if (value < low || value > high) {
      throw new InputException(
          option + " " + value, "not from " + low + " to " + high, "Correct it");
    }
  }
}
