// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.LayerOptions;
import io.clipsteer.cli.option.OpenRun;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.option.SuppressOptions;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.Folders;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.lab.attack.Writing;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.study.Defence;
import io.clipsteer.lab.study.Study;
import io.clipsteer.lab.study.StudySource;
import io.clipsteer.lab.study.Wording;
import io.clipsteer.lab.suppress.PrefixSettings;
import io.clipsteer.lab.suppress.SuppressionReport;
import io.clipsteer.lab.suppress.SuppressionRun;
import io.clipsteer.lab.suppress.SuppressionSettings;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Makes a model answer what it sees, not what it reads. */
@Command(
    name = "defend",
    description = {
      "Writes wrong words on your images, finds the features by which the model reads them, takes"
          + " these away, and tests on other images, fonts, places and words.",
      "Ship the edit with clipsteer export."
    },
    footer = {"", "Example: clipsteer defend --run runs/all --images photos --out edits/no-words"})
final class DefendCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;
  @Mixin private RunOptions runs;
  @Mixin private SuppressOptions how;

  @Option(
      names = "--images",
      required = true,
      paramLabel = "SRC",
      description = {
        "Images without writing: class folders, a .tar of them, or a .csv/.tsv of file and label."
      })
  private Path images;

  @Option(
      names = "--labels",
      paramLabel = "TABLE",
      description = "A .csv or .tsv of file and label for the images in --images.")
  private @Nullable Path labels;

  @Option(
      names = "--words",
      split = ",",
      paramLabel = "A,B,C",
      description = "Words to write (default: the classes); one half to find, the other to test.")
  private List<String> words = List.of();

  @Option(
      names = "--letters",
      defaultValue = "0.12-0.3",
      paramLabel = "LOW-HIGH",
      description = {
        "Height of the letters, shares of the image's shorter side (default: ${DEFAULT-VALUE})."
      })
  private String letters;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "EDIT",
      description = "New folder; the attacked images go to its attacks folder.")
  private Path out;

  @Override
  public Integer call() {
    common.apply();
    SuppressionSettings settings = how.settings(common.seed());
    how.rivals(); // Refuses a wrong word before hours of work.
    Wording wording = how.wording();
    ImageLoader.Options options = how.options();
    Writing.Letters height = Writing.Letters.parse(letters);
    PrefixSettings prefixed = how.prefixed(true);
    how.check(out);
    RunFolder.Run chosen = LayerOptions.chosen(runs.folder().read(), how.layers());
    try (OpenRun open = runs.open(chosen, TowerKind.VISION, common.device())) {
      Progress progress = common.progress();
      ImageSet set = Skips.open(images, labels);
      Map<String, String> hashes = open.hashes();
      hashes.put("data", Images.listing(set, Long.MAX_VALUE).sha256());
      try (WorkFolder work = how.open(out, common.manifest(hashes))) {
        Study study = source(set, height, progress).read(open.clip(), wording, options, progress);
        var run = new SuppressionRun(open.clip(), open.saes(), study, settings, prefixed);
        SuppressionReport report = how.report(run, runs.path(), work, progress);
        common.print(report.json(), report.text());
      }
    }
    return 0;
  }

  /** The attacked images, written again where a run was stopped: the same ones. */
  private StudySource source(ImageSet set, Writing.Letters height, Progress progress) {
    Path attacks = out.resolve(SuppressOptions.ATTACKS);
    Folders.delete(attacks);
    return new Defence(set, attacks, words, height, common.seed())
        .write(how.perGroup(), Skips::printReasons, progress);
  }
}
