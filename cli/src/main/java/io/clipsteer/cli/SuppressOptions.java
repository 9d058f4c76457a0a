// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.ImageLoader;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.lab.suppress.Settings;
import io.clipsteer.lab.suppress.Wording;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How features are found, chosen and changed: what suppress and defend have in common. */
final class SuppressOptions {
  @Option(
      names = "--layers",
      paramLabel = "LIST",
      description = "Layers, as 2,8 or 0-11 (default: all of the run).")
  private @Nullable String layers;

  @Option(
      names = "--select",
      defaultValue = "mean-difference",
      paramLabel = "WAY",
      description = "mean-difference, auroc, causal or greedy (default: ${DEFAULT-VALUE}).")
  private String select;

  @Option(
      names = "--edit",
      defaultValue = "ablate",
      paramLabel = "EDIT",
      description = {
        "ablate, mean, or scale:F, F times the largest activation as saev"
            + " (default: ${DEFAULT-VALUE})."
      })
  private String edit;

  @Option(
      names = "--at",
      paramLabel = "TOKENS",
      description = "all, cls or patches (default: the tokens that the SAE reads).")
  private @Nullable String at;

  @Option(
      names = "--sizes",
      split = ",",
      defaultValue = "1,2,4,8,16,32,64",
      paramLabel = "K",
      description = "Numbers of features to choose from (default: ${DEFAULT-VALUE}).")
  private List<Integer> sizes;

  @Option(
      names = "--max-clean-loss",
      defaultValue = "1.0",
      paramLabel = "POINTS",
      description = {
        "Points of accuracy that validation may lose overall, and on --clean"
            + " (default: ${DEFAULT-VALUE})."
      })
  private double maxLoss;

  @Option(
      names = "--baselines",
      defaultValue = "all",
      paramLabel = "all|none",
      description = "What the method is held against (default: ${DEFAULT-VALUE}).")
  private String baselines;

  @Option(
      names = "--draws",
      defaultValue = "10",
      paramLabel = "N",
      description = "Random feature sets and directions (default: ${DEFAULT-VALUE}).")
  private int draws;

  @Option(
      names = "--per-group",
      defaultValue = "1000",
      paramLabel = "N",
      description = {
        "Training and validation pictures of each group, at most (default: ${DEFAULT-VALUE})."
      })
  private int perGroup;

  @Option(
      names = "--prompts",
      paramLabel = "FILE",
      description = "Lines of target, tab, text; several texts of a target are averaged.")
  private @Nullable Path prompts;

  @Option(
      names = "--library",
      paramLabel = "DIR",
      description = "Folder with text_embeddings.safetensors and words.txt, for the targets.")
  private @Nullable Path library;

  @Option(
      names = "--image-batch",
      defaultValue = "32",
      paramLabel = "N",
      description = "Pictures the tower takes at once (default: ${DEFAULT-VALUE}).")
  private int batch;

  @Nullable String layers() {
    return layers;
  }

  int perGroup() {
    return perGroup;
  }

  Wording wording() {
    return new Wording(prompts, library);
  }

  Settings settings(long seed) {
    return new Settings(
        Settings.Select.parse(select),
        Settings.Change.parse(edit),
        at == null ? null : CommonOptions.value("--at", at, TokenSelection::parse),
        sizes,
        maxLoss,
        draws,
        seed);
  }

  boolean rivals() {
    return switch (baselines) {
      case "all" -> true;
      case "none" -> false;
      default ->
          throw new InputException("--baselines " + baselines, "not known", "Use all or none");
    };
  }

  ImageLoader.Options options() {
    if (batch < 1 || batch > 1 << 16) {
      throw new InputException("--image-batch " + batch, "not from 1 to 65536", "Try 32");
    }
    int decoders = Runtime.getRuntime().availableProcessors();
    return new ImageLoader.Options(
        batch, decoders, 2, 0, Long.MAX_VALUE, ImageDecoder.Options.DEFAULT);
  }

  /** The options, for a manifest. */
  void describe(Settings settings, Map<String, Object> config) {
    config.put("layers", String.valueOf(layers));
    config.put("select", settings.select().word());
    config.put("edit", settings.change().word());
    config.put("at", String.valueOf(at));
    config.put("sizes", new ArrayList<>(settings.sizes()));
    config.put("max_clean_loss", settings.maxLoss());
    config.put("draws", settings.draws());
    config.put("per_group", perGroup);
    config.put("prompts", String.valueOf(prompts));
    config.put("library", String.valueOf(library));
  }
}
