// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.NewFolder;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.Versions;
import io.clipsteer.lab.study.TargetPrompts;
import io.clipsteer.lab.suppress.EditFolder;
import io.clipsteer.lab.suppress.PrefixSettings;
import io.clipsteer.lab.suppress.SuppressionReport;
import io.clipsteer.lab.suppress.SuppressionRun;
import io.clipsteer.lab.suppress.SuppressionSettings;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The options that suppress and defend have in common. */
public final class SuppressOptions {
  private static final String BEGUN = "begun.json";
  private static final String TRIALS = "trials";

  /** Folder of the images that {@code defend} attacks. */
  public static final String ATTACKS = "attacks";

  @Mixin private LayerOptions layers;
  @Mixin private BatchOptions batch;

  @Mixin
  private EditChoiceOptions choice =
      new EditChoiceOptions(
          SuppressionSettings.Select.MEAN_DIFFERENCE, 1, SuppressionSettings.Goal.WORST_GROUP);

  @Option(
      names = "--at",
      paramLabel = "TOKENS",
      description = "Tokens to edit: ${COMPLETION-CANDIDATES} (default: those that the SAE reads).")
  private @Nullable TokenSelection at;

  @Option(
      names = "--sizes",
      split = ",",
      defaultValue = "1,2,4,8,16,32,64",
      paramLabel = "K",
      description = "Numbers of features to select from (default: ${DEFAULT-VALUE}).")
  private List<Integer> sizes;

  @Option(
      names = "--baselines",
      defaultValue = "all",
      paramLabel = "WHICH",
      description = "Baselines to evaluate: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  private Baselines baselines;

  private enum Baselines {
    ALL,
    NONE;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  @Option(
      names = "--draws",
      defaultValue = "10",
      paramLabel = "N",
      description =
          "Random feature sets and random directions, 2 to 20 (default: ${DEFAULT-VALUE}).")
  private int draws;

  @Option(
      names = "--defense-prefix",
      arity = "0..1",
      fallbackValue = "" + PrefixSettings.STEPS,
      paramLabel = "STEPS",
      description = {
        "For written words: also learn a Defense-Prefix token before class names (Azuma and Matsui"
            + " 2023) in STEPS steps (default: ${FALLBACK-VALUE}), and report it alone and with the"
            + " edit. Its text embeddings go to OUT/defense-prefix, for classify --library."
      })
  private @Nullable Integer prefix;

  @Option(
      names = "--per-group",
      defaultValue = "1000",
      paramLabel = "N",
      description = {
        "Most training and validation images of each group (default: ${DEFAULT-VALUE})."
      })
  private int perGroup;

  @Option(
      names = "--prompts",
      paramLabel = "FILE",
      description = "Lines of target, tab, prompt; several prompts of a target are averaged.")
  private @Nullable Path prompts;

  @Option(
      names = "--library",
      paramLabel = "DIR",
      description = "Folder with text_embeddings.safetensors and words.txt, for the targets.")
  private @Nullable Path library;

  @Option(
      names = "--resume",
      description = {
        "Resume in --out with the options of the stopped command: validation and test images that"
            + " were evaluated are not evaluated again."
      })
  private boolean resume;

  public LayerOptions layers() {
    return layers;
  }

  public int perGroup() {
    return perGroup;
  }

  /** How images are loaded. */
  public ImageLoader.Options loading() {
    return batch.loading(Long.MAX_VALUE);
  }

  public TargetPrompts prompts() {
    return new TargetPrompts(prompts, library);
  }

  public SuppressionSettings settings(long seed) {
    return choice.settings(at, sizes, draws, seed);
  }

  /** How Defense-Prefix is learnt; null where it is not. */
  public @Nullable PrefixSettings prefixed(boolean written) {
    if (prefix == null) return null;
    if (!written) {
      throw new InputException(
          "--defense-prefix", "needs written words", "Give --data typographic:DIR or similar");
    }
    if (prompts != null || library != null) {
      throw new InputException(
          "--defense-prefix",
          "cannot be combined with --prompts or --library",
          "It inserts its own token into the built-in prompts");
    }
    if (prefix < 1 || prefix > 1_000_000) {
      throw new InputException("--defense-prefix " + prefix, "not from 1 to 1000000", "Try 2500");
    }
    return new PrefixSettings(prompts(), prefix);
  }

  /** Refuses the folder before hours of work. */
  public void check(Path out) {
    if (!resume) {
      NewFolder.require(out);
      return;
    }
    if (Files.exists(out.resolve(BEGUN))) return;
    if (Files.exists(out.resolve(EditFolder.REPORT))) {
      throw new InputException(
          out, "is finished", "Its figures are in " + EditFolder.REPORT + "; name a new folder");
    }
    throw Begun.nothing(out, BEGUN);
  }

  /** Writes what the edit's folder was started with; a resumed command must match it. */
  public void begin(
      Path out,
      SuppressionSettings settings,
      Map<String, Object> config,
      RunFolder folder,
      RunFolder.Run trained,
      ClipModel model) {
    Map<String, Object> begun = new LinkedHashMap<>(config);
    begun.put("clipsteer", Versions.CLIPSTEER);
    begun.put("baselines", baselines.toString());
    begun.put("seed", settings.seed());
    begun.put("model", Hashes.sha256(model.source().weights()));
    begun.put("dtype", model.vision().dtype().toString());
    begun.put("saes", RunOptions.hashes(folder, trained));
    Begun.folder(out, BEGUN, begun, resume);
  }

  /** Empties the folder of a command that failed before it evaluated anything. */
  public static void deleteUnlessEvaluated(Path out, String... others) {
    if (Files.exists(out.resolve(TRIALS))) return;
    for (String other : others) NewFolder.delete(out.resolve(other));
    NewFolder.delete(out.resolve(BEGUN));
  }

  /**
   * Suppresses, and writes the edit's folder.
   *
   * @param command the command line; its first word is the command
   * @param config for the manifest
   * @param saes folder of the run
   */
  public SuppressionReport report(
      SuppressionRun run,
      List<String> command,
      Map<String, Object> config,
      Path saes,
      Path out,
      Progress progress) {
    String hash = Hashes.sha256(run.model().source().weights());
    RunManifest manifest =
        RunManifest.begin(
            command,
            config,
            Map.of(command.getFirst(), run.settings().seed()),
            Map.of("model", hash),
            Versions.CLIPSTEER,
            Engine.torchVersion(),
            null);
    SuppressionReport report;
    try {
      report = run.run(baselines == Baselines.ALL, out.resolve(TRIALS), progress);
    } catch (InputException e) {
      deleteUnlessEvaluated(out, ATTACKS);
      throw e;
    }
    EditFolder.write(out, report, saes, hash, manifest);
    NewFolder.delete(out.resolve(TRIALS));
    NewFolder.delete(out.resolve(BEGUN));
    Skips.print(null, report.skipped());
    return report;
  }

  /** The options, for a manifest. */
  public void describe(SuppressionSettings settings, Map<String, Object> config) {
    config.put("layers", String.valueOf(layers.text()));
    config.put("select", settings.select().toString());
    config.put("edit", settings.change().toString());
    config.put("at", String.valueOf(at));
    config.put("sizes", new ArrayList<>(settings.sizes()));
    config.put("max_clean_loss", settings.maxLoss());
    config.put("draws", settings.draws());
    config.put("defense_prefix", prefix == null ? 0 : prefix);
    config.put("per_group", perGroup);
    config.put("prompts", String.valueOf(prompts));
    config.put("library", String.valueOf(library));
  }
}
