// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.stats.Share;
import io.clipsteer.lab.demo.Demo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The main job on the demo world. */
@Command(
    name = "demo",
    description = {
      "The whole slice on the demo world: draw pictures, ask the shipped CLIP, train an SAE,"
          + " steer.",
      "The CLIP was trained on such pictures, and leans on what its training leant on."
    },
    footer = {"", "Example: clipsteer demo --out runs/demo"})
final class DemoCommand implements Callable<Integer> {
  private static final String LABEL = "the demo world and its own CLIP";

  @Mixin private CommonOptions common;
  @Spec private CommandSpec spec;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description = "New folder for model, pictures and run (default: a temporary one).")
  private @Nullable Path out;

  @Override
  public Integer call() {
    common.applyOnCpu();
    List<String> command = spec.commandLine().getParent().getParseResult().originalArgs();
    Demo.Result result = Demo.run(folder(), common.seed(), command, common.progress());
    common.print(json(result), text(result));
    return 0;
  }

  private Path folder() {
    if (out != null) return out;
    try {
      return Files.createTempDirectory("clipsteer-demo-");
    } catch (IOException e) {
      throw new InputException(
          "temporary folder", "cannot be made: " + Reasons.of(e), "Name one with --out", e);
    }
  }

  private static Map<String, Object> json(Demo.Result result) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("what", LABEL);
    json.put("folder", result.folder().toString());
    json.put("seconds", result.seconds());
    json.put("world", result.evaluation());
    json.put(
        "explained_variance", result.training().saes().getFirst().quality().explainedVariance());
    json.put("l0", result.training().saes().getFirst().quality().l0());
    json.put("alive_fraction", result.training().saes().getFirst().quality().aliveFraction());
    json.put("picture", result.picture().toString());
    json.put("features", result.steering().edited());
    json.put("before", result.steering().before());
    json.put("after", result.steering().after());
    return json;
  }

  private static String text(Demo.Result result) {
    var training = result.training();
    var q = training.saes().getFirst().quality();
    var feature = result.steering().edited().getFirst();
    return String.format(
        Locale.ROOT,
        """
        clipsteer demo: %s

        model     8 blocks of width 128, 65 tokens a picture (an ordinary checkpoint folder)
        knows     things %.0f %%, colours %.0f %%, backgrounds %.0f %%, written words %.0f %%
        leans     worst groups: portraits by gender and hair %.0f %%, birds by kind and background %.0f %%;
                  with another word written in, things fall from %.0f %% to %.0f %%
        SAE       %d features on blocks.6.hook_resid_post, TopK 16, %d pictures
        quality   explained variance %.3f, L0 %.1f, alive %.1f %% on %d pictures kept aside
        steered   %s: feature %d from %.2f (mean) to 150 on every token
        before    %s
        after     %s

        %.1f s; everything lies in %s
        On your own data: ./clipsteer train --help, ./clipsteer steer --help
        """,
        LABEL,
        percent(result, "object_accuracy"),
        percent(result, "colour_accuracy"),
        percent(result, "background_accuracy"),
        percent(result, "word_accuracy"),
        percent(result, "portraits_worst_group"),
        percent(result, "birds_worst_group"),
        percent(result, "typographic_clean"),
        percent(result, "typographic_attacked"),
        training.saes().getFirst().features(),
        training.images(),
        q.explainedVariance(),
        q.l0(),
        100 * q.aliveFraction(),
        training.evaluationImages(),
        result.picture().getFileName(),
        feature.feature(),
        feature.mean(),
        SteerCommand.line(result.steering().before()),
        SteerCommand.line(result.steering().after()),
        result.seconds(),
        result.folder());
  }

  private static double percent(Demo.Result result, String key) {
    Share share = result.evaluation().get(key);
    return share == null ? Double.NaN : 100 * share.value();
  }
}
