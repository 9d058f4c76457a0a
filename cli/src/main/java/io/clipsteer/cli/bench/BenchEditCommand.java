// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.bench;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.suppress.EditBench;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code bench edit}: the cost of an edit. */
@Command(
    name = "edit",
    description = "Time a ViT-B/32 tower without an edit, with an edit, and with a whole SAE.",
    footer = {"", "Example: clipsteer bench edit --json"})
final class BenchEditCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;

  @Option(
      names = "--features",
      defaultValue = "49152",
      paramLabel = "N",
      description = "Features of the SAE (default: ${DEFAULT-VALUE}).")
  private int features;

  @Option(
      names = "--chosen",
      defaultValue = "50",
      paramLabel = "N",
      description = "Features the edit ablates (default: ${DEFAULT-VALUE}).")
  private int chosen;

  @Option(
      names = "--image-batch",
      defaultValue = "16",
      paramLabel = "N",
      description = "Images in one forward pass (default: ${DEFAULT-VALUE}).")
  private int images;

  @Option(
      names = "--rounds",
      defaultValue = "15",
      paramLabel = "N",
      description = "Timed rounds (default: ${DEFAULT-VALUE}).")
  private int rounds;

  @Override
  public Integer call() {
    common.applyOnCpu();
    CommonOptions.within("--features", features, 1, 1 << 18);
    CommonOptions.within("--chosen", chosen, 1, features);
    CommonOptions.within("--image-batch", images, 1, 256);
    CommonOptions.within("--rounds", rounds, 1, 1000);
    var shape = new EditBench.EditBenchShape(features, chosen, images, rounds);
    EditBench.EditBenchResult result = EditBench.run(shape, common.seed(), common.progress());
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("features", features);
    json.put("chosen", chosen);
    json.put("images", images);
    json.put("rounds", rounds);
    json.put("tower_seconds", result.towerSeconds());
    json.put("edited_seconds", result.editedSeconds());
    json.put("full_sae_seconds", result.fullSeconds());
    json.put("added_share", result.added().value());
    json.put("added_share_low", result.added().low());
    json.put("added_share_high", result.added().high());
    json.put("added_share_least", result.least());
    json.put("added_share_most", result.most());
    json.put("max_difference", result.maxDifference());
    json.put("max_moved", result.moved());
    common.print(
        json,
        String.format(
            Locale.ROOT,
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
    return 0;
  }

  private static String noise(EditBench.EditBenchResult result) {
    return result.added().low() <= 0 && result.added().high() >= 0
        ? "the interval contains 0: the cost is below this machine's noise"
        : "rounds vary with the machine's noise: compare intervals, not medians";
  }
}
