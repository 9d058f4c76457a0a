// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.lab.block.BlockCluster;
import io.clipsteer.lab.block.BlockWork;
import io.clipsteer.lab.block.WorkPlan;
import io.clipsteer.lab.study.Study;
import io.clipsteer.lab.study.TargetPrompts;
import io.clipsteer.lab.suppress.EditFolder;
import io.clipsteer.lab.suppress.PrefixSettings;
import io.clipsteer.lab.suppress.SuppressionReport;
import io.clipsteer.lab.suppress.SuppressionRun;
import io.clipsteer.lab.suppress.SuppressionSettings;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The options that suppress and defend have in common. */
public final class SuppressOptions {
  /** Folder of the images that {@code defend} attacks. */
  public static final String ATTACKS = "attacks";

  @Mixin private LayerOptions layers;
  @Mixin private ClusterOptions cluster;
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
      description = "Numbers of features to select from.")
  private List<Integer> sizes;

  @Option(
      names = "--screen",
      description = {
        "Save time: evaluate all edits on a tenth of the validation images, and on more only those"
            + " that could still be selected."
      })
  private boolean screen;

  @Option(
      names = "--baselines",
      defaultValue = "all",
      paramLabel = "WHICH",
      description = "Baselines to evaluate: ${COMPLETION-CANDIDATES}.")
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
      description = "Random feature sets and random directions, 2 to 20.")
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
      description = {"Most training and validation images of each group."})
  private int perGroup;

  @Mixin private PromptOptions prompts;

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
    return prompts.prompts();
  }

  public SuppressionSettings settings(long seed) {
    return choice.settings(at, sizes, draws, screen, seed);
  }

  /** How Defense-Prefix is learnt; null where it is not. */
  public @Nullable PrefixSettings prefixed(boolean written) {
    if (prefix == null) return null;
    if (!written) {
      throw new InputException(
          "--defense-prefix", "needs written words", "Give --data typographic:DIR or similar");
    }
    if (prompts.areGiven()) {
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

  /** Refuses a folder for the edit, or a cluster, before hours of work. */
  public void check(CommonOptions common, Path out) {
    if (cluster.isGiven()) common.givenThreads();
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
   * What a process of a cluster does: it evaluates edits for the command.
   *
   * @param open closed with the work
   * @param study makes the command's images, of the open model
   * @param out the edit's folder
   */
  public BlockWork shared(
      CommonOptions common,
      OpenRun open,
      Supplier<Study> study,
      @Nullable PrefixSettings prefixed,
      Path out) {
    return BlockWork.of(
        open,
        OpenRun::close,
        own -> {
          var settings = settings(common.seed());
          var run = new SuppressionRun(own.clip(), own.saes(), study.get(), settings, prefixed);
          return run.shared(EditFolder.progress(out));
        });
  }

  /** What a suppression of the open run's model will cost. */
  public WorkPlan plan(CommonOptions common, OpenRun open, Study study) {
    var run = new SuppressionRun(open.clip(), open.saes(), study, settings(common.seed()), null);
    return run.plan(baselines == Baselines.ALL);
  }

  /**
   * Suppresses, and writes the edit's folder.
   *
   * @param common has the command line, which every process of a cluster reads
   * @param saes folder of the SAEs' run
   * @param out the edit's, open
   */
  public SuppressionReport report(
      CommonOptions common, SuppressionRun run, Path saes, WorkFolder out) {
    SuppressionReport report;
    try (BlockCluster.ClusterSession session = cluster.later(common)) {
      report =
          run.run(
              baselines == Baselines.ALL,
              EditFolder.progress(out.path()),
              cluster.isGiven() ? session : null,
              common.progress());
    }
    EditFolder.write(out.path(), report, saes, Hashes.sha256(run.model().source().weights()));
    out.finish();
    Skips.print(report.skipped());
    return report;
  }
}
