// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.lab.study.Wording;
import io.clipsteer.lab.suppress.EditFolder;
import io.clipsteer.lab.suppress.PrefixSettings;
import io.clipsteer.lab.suppress.SuppressionReport;
import io.clipsteer.lab.suppress.SuppressionRun;
import io.clipsteer.lab.suppress.SuppressionSettings;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How features are found, chosen and changed: what suppress and defend have in common. */
public final class SuppressOptions {
  /** Images that {@code defend} draws for itself. */
  public static final String ATTACKS = "attacks";

  @Option(
      names = "--layers",
      paramLabel = "LIST",
      description = "Layers, as 2,8 or 0-11 (default: all of the run).")
  private @Nullable String layers;

  @Option(
      names = "--select",
      defaultValue = "mean-difference",
      paramLabel = "WAY",
      description = "mean-difference, auroc, energy, causal or greedy (default: ${DEFAULT-VALUE}).")
  private String select;

  @Option(
      names = "--edit",
      defaultValue = "ablate",
      paramLabel = "EDIT",
      description = {
        "ablate, mean, cap:F, no more than F times the largest activation without the attribute, or"
            + " scale:F, F times the largest activation as saev (default: ${DEFAULT-VALUE})."
      })
  private String edit;

  @Option(
      names = "--at",
      paramLabel = "TOKENS",
      description =
          "all, cls (the class token) or patches (default: the tokens that the SAE reads).")
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
      description = "Random feature sets and directions, 2 to 20 (default: ${DEFAULT-VALUE}).")
  private int draws;

  @Option(
      names = "--defense-prefix",
      arity = "0..1",
      fallbackValue = "" + PrefixSettings.STEPS,
      paramLabel = "STEPS",
      description = {
        "For written words: also learn a token to stand before class names (Azuma and Matsui 2023)"
            + " in STEPS steps (default: ${FALLBACK-VALUE}), and tell it alone and together with"
            + " the edit. Its texts are written to OUT/defense-prefix, for classify --library."
      })
  private @Nullable Integer prefix;

  @Option(
      names = "--per-group",
      defaultValue = "1000",
      paramLabel = "N",
      description = {
        "Training and validation images of each group, at most (default: ${DEFAULT-VALUE})."
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
      description = "Images the tower takes at once (default: ${DEFAULT-VALUE}).")
  private int batch;

  @Option(
      names = "--resume",
      description = {
        "Resume in --out what was stopped there, with the same options: answers of validation and"
            + " test images are kept."
      })
  private boolean resume;

  public @Nullable String layers() {
    return layers;
  }

  public int perGroup() {
    return perGroup;
  }

  public Wording wording() {
    return new Wording(prompts, library);
  }

  public SuppressionSettings settings(long seed) {
    return new SuppressionSettings(
        SuppressionSettings.Select.parse(select),
        SuppressionSettings.Change.parse(edit),
        at == null ? null : CommonOptions.value("--at", at, TokenSelection::parse),
        sizes,
        maxLoss,
        draws,
        seed,
        SuppressionSettings.Goal.WORST_GROUP);
  }

  /** How Defense-Prefix is to be learnt; null where it is not. */
  public @Nullable PrefixSettings prefixed(boolean written) {
    if (prefix == null) return null;
    if (!written) {
      throw new InputException(
          "--defense-prefix", "is for written words", "Give --data typographic:DIR and its like");
    }
    if (prompts != null || library != null) {
      throw new InputException(
          "--defense-prefix",
          "has no use with --prompts or --library",
          "It puts a token of its own into the built-in texts");
    }
    if (prefix < 1 || prefix > 1_000_000) {
      throw new InputException("--defense-prefix " + prefix, "not from 1 to 1000000", "Try 2500");
    }
    return new PrefixSettings(wording(), prefix);
  }

  public boolean rivals() {
    return switch (baselines) {
      case "all" -> true;
      case "none" -> false;
      default ->
          throw new InputException("--baselines " + baselines, "not known", "Use all or none");
    };
  }

  public ImageLoader.Options options() {
    if (batch < 1 || batch > 1 << 16) {
      throw new InputException("--image-batch " + batch, "not from 1 to 65536", "Try 32");
    }
    int decoders = Runtime.getRuntime().availableProcessors();
    return new ImageLoader.Options(
        batch, decoders, 2, 0, Long.MAX_VALUE, ImageDecoder.Options.DEFAULT);
  }

  /** Refuses a folder for the edit before hours of work. */
  public void check(Path out) {
    WorkFolder.check(out, EditFolder.LAYOUT, resume);
  }

  /**
   * Opens the edit's folder.
   *
   * @param manifest of the work that starts
   */
  public WorkFolder open(Path out, RunManifest manifest) {
    return WorkFolder.open(out, EditFolder.LAYOUT, resume, manifest);
  }

  /**
   * Suppresses, and writes the edit's folder.
   *
   * @param run folder of the SAEs
   * @param out the edit's, open
   */
  public SuppressionReport report(
      SuppressionRun suppression, Path run, WorkFolder out, Progress progress) {
    SuppressionReport report = suppression.run(rivals(), EditFolder.progress(out.path()), progress);
    String hash = Hashes.sha256(suppression.model().source().weights());
    EditFolder.write(out.path(), report, run, hash);
    out.finish();
    Skips.print(null, report.skipped());
    return report;
  }
}
