// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.OpenRun;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.option.SuppressOptions;
import io.clipsteer.cli.show.SuppressionText;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.imageset.GroupSource;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.lab.block.BlockWork;
import io.clipsteer.lab.block.WorkPlan;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.study.Study;
import io.clipsteer.lab.study.StudySource;
import io.clipsteer.lab.suppress.PrefixSettings;
import io.clipsteer.lab.suppress.SuppressionReport;
import io.clipsteer.lab.suppress.SuppressionRun;
import io.clipsteer.lab.suppress.SuppressionSettings;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Ablates features that a model should not rely on. */
@Command(
    name = "suppress",
    description = {
      "Finds the features of a shortcut (hair colour, background, written words), edits them,"
          + " and reports effect and cost.",
      "Features are ranked on the training set; their number, the layer and the strength are"
          + " selected on the validation set; the selected edit is evaluated once on the test set,"
          + " beside neurons, the mean difference, LEACE, INLP, random features and random"
          + " directions, which are selected in the same way."
    },
    footer = {
      "Example: clipsteer suppress --run runs/all --data celeba:celeba --layers 0-11 --out"
          + " edits/no-blond",
    })
final class SuppressCommand implements Runnable, BlockCommand, PlannedCommand {
  @Mixin private CommonOptions common;
  @Mixin private RunOptions runs;
  @Mixin private SuppressOptions how;

  @Option(
      names = "--data",
      required = true,
      paramLabel = "LAYOUT:PATH",
      description = {
        "celeba:DIR, waterbirds:DIR, typographic:DIR, disentangling:DIR or csv:FILE (file below its"
            + " folder, target, attribute, optionally split). A set without splits is dealt by"
            + " --seed: a quarter to training, a quarter to validation, half to test."
      })
  private String data;

  @Option(
      names = "--train",
      paramLabel = "LAYOUT:PATH",
      description = "Rank features on all of these; then all of --data is the test set.")
  private @Nullable String train;

  @Option(
      names = "--validation",
      paramLabel = "LAYOUT:PATH",
      description = "Select number and layer on all of these (with --train).")
  private @Nullable String validation;

  @Option(
      names = "--attribute",
      paramLabel = "NAME",
      description = "Attribute to suppress, where a table has more than two.")
  private @Nullable String attribute;

  @Option(
      names = "--clean",
      paramLabel = "SRC",
      description = {
        "Images in class folders whose accuracy must hold; for written words, images without"
            + " writing."
      })
  private @Nullable Path clean;

  @Option(
      names = "--balanced",
      description =
          "Cut every group of each split to the size of the smallest, by --seed, as the paper.")
  private boolean balanced;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "EDIT",
      description = "New folder, or with --resume that of a stopped command.")
  private Path out;

  @Override
  public void run() {
    common.apply();
    SuppressionSettings settings = how.settings(common.seed());
    StudySource source = source();
    how.prompts();
    PrefixSettings prefixed = prefixed();
    how.loading();
    how.check(common, out);
    try (OpenRun open = opened()) {
      open.noteExport();
      Study study = study(source, open, common.progress());
      Stream.of(source.data(), source.train(), source.validation())
          .filter(Objects::nonNull)
          .forEach(set -> Skips.print(set.listing(), set.path()));
      var run = new SuppressionRun(open.clip(), open.saes(), study, settings, prefixed);
      Map<String, String> hashes = open.hashes();
      hashes.put("data", study.hash());
      try (WorkFolder work = how.open(out, common.manifest(hashes))) {
        SuppressionReport report = how.report(common, run, runs.path(), work);
        common.print(report.json(), SuppressionText.of(report));
      }
    }
  }

  @Override
  public BlockWork open() {
    common.apply();
    OpenRun open = opened();
    return how.shared(common, open, () -> study(source(), open, Progress.SILENT), prefixed(), out);
  }

  @Override
  public WorkPlan plan() {
    common.apply();
    try (OpenRun open = opened()) {
      Study study = study(source(), open, Progress.SILENT);
      return how.plan(common, open, study);
    }
  }

  private OpenRun opened() {
    RunFolder.Run chosen = how.layers().chosen(runs.folder().read());
    return runs.open(chosen, TowerKind.VISION, common.device());
  }

  private @Nullable PrefixSettings prefixed() {
    return how.prefixed(GroupSource.parse("--data", data).kind().isWritten());
  }

  private Study study(StudySource source, OpenRun open, Progress progress) {
    return source.read(open.clip(), how.prompts(), how.loading(), progress);
  }

  private StudySource source() {
    return new StudySource(
        GroupSource.parse("--data", data),
        train == null ? null : GroupSource.parse("--train", train),
        validation == null ? null : GroupSource.parse("--validation", validation),
        clean == null ? null : Skips.open(clean),
        attribute,
        how.perGroup(),
        balanced,
        common.seed());
  }
}
