// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.AttackOptions;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.OpenRun;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.option.SuppressOptions;
import io.clipsteer.cli.show.SuppressionText;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.Folders;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.lab.block.BlockWork;
import io.clipsteer.lab.block.WorkPlan;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.study.AttackedSplits;
import io.clipsteer.lab.study.Study;
import io.clipsteer.lab.study.StudySource;
import io.clipsteer.lab.suppress.PrefixSettings;
import io.clipsteer.lab.suppress.SuppressionReport;
import io.clipsteer.lab.suppress.SuppressionRun;
import io.clipsteer.lab.suppress.SuppressionSettings;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Ablates the features by which a model reads words written on images. */
@Command(
    name = "defend",
    description = {
      "Writes wrong words on your images, finds the features by which the model reads them, ablates"
          + " them, and tests the edit on other images, fonts, positions and words.",
      "Ship the edit with clipsteer export."
    },
    footer = "Example: clipsteer defend --run runs/all --images photos --out edits/no-words")
final class DefendCommand implements Runnable, BlockCommand, PlannedCommand {
  @Mixin private CommonOptions common;
  @Mixin private RunOptions runs;
  @Mixin private AttackOptions target;
  @Mixin private SuppressOptions how;

  @Option(
      names = "--words",
      split = ",",
      paramLabel = "A,B,C",
      description =
          "Words to write (default: the classes); one half finds the edit, the other tests it.")
  private List<String> words = List.of();

  @Option(
      names = "--out",
      required = true,
      paramLabel = "EDIT",
      description = "New folder; the attacked images go to its attacks folder.")
  private Path out;

  @Override
  public void run() {
    common.apply();
    SuppressionSettings settings = how.settings(common.seed());
    how.prompts();
    how.loading();
    target.images("");
    target.letters();
    PrefixSettings prefixed = how.prefixed(true);
    how.check(common, out);
    try (OpenRun open = opened()) {
      ImageSet set = target.open("");
      Map<String, String> hashes = open.hashes();
      hashes.put("data", Images.listing(set, Long.MAX_VALUE).sha256());
      try (WorkFolder work = how.open(out, common.manifest(hashes))) {
        Study study = study(attacked(set, common.progress()), open, common.progress());
        var run = new SuppressionRun(open.clip(), open.saes(), study, settings, prefixed);
        SuppressionReport report = how.report(common, run, runs.path(), work);
        common.print(report.json(), SuppressionText.of(report));
      }
    }
  }

  /** The attacked images are there: the command has written them. */
  @Override
  public BlockWork open() {
    common.apply();
    OpenRun open = opened();
    return how.shared(
        common,
        open,
        () -> study(splits(target.open("")).written(how.perGroup()), open, Progress.SILENT),
        how.prefixed(true),
        out);
  }

  @Override
  public WorkPlan plan() {
    common.apply();
    AttackedSplits splits = splits(target.open(""));
    try (OpenRun open = opened()) {
      Study study = splits.planned(open.clip(), how.prompts(), how.loading(), how.perGroup());
      return how.plan(common, open, study).after(splits.cost());
    }
  }

  private OpenRun opened() {
    RunFolder.Run chosen = how.layers().chosen(runs.folder().read());
    return runs.open(chosen, TowerKind.VISION, common.device());
  }

  private Study study(StudySource source, OpenRun open, Progress progress) {
    return source.read(open.clip(), how.prompts(), how.loading(), progress);
  }

  private AttackedSplits splits(ImageSet set) {
    Path attacks = out.resolve(SuppressOptions.ATTACKS);
    return new AttackedSplits(set, attacks, words, target.letters(), common.seed());
  }

  /** Writes the attacked images; a resumed command writes the same ones again. */
  private StudySource attacked(ImageSet set, Progress progress) {
    AttackedSplits splits = splits(set);
    Folders.delete(splits.folder());
    return splits.write(how.perGroup(), Skips::printReasons, progress);
  }
}
