// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.NewFolder;
import io.clipsteer.data.RunManifest;
import io.clipsteer.data.image.ImageLoader;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.model.ClipModel;
import io.clipsteer.lab.Progress;
import io.clipsteer.lab.RunFolder;
import io.clipsteer.lab.RunSaes;
import io.clipsteer.lab.Versions;
import io.clipsteer.lab.suppress.Defence;
import io.clipsteer.lab.suppress.EditFolder;
import io.clipsteer.lab.suppress.Settings;
import io.clipsteer.lab.suppress.Study;
import io.clipsteer.lab.suppress.StudySource;
import io.clipsteer.lab.suppress.SuppressionReport;
import io.clipsteer.lab.suppress.SuppressionRun;
import io.clipsteer.lab.suppress.Wording;
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

/** Makes a model answer what it sees, not what it reads. */
@Command(
    name = "defend",
    description = {
      "Writes wrong words on your pictures, finds the features by which the model reads them, takes"
          + " these away, and tests on other pictures, fonts, places and words.",
      "Ship the edit with clipsteer export."
    },
    footer = {"", "Example: clipsteer defend --run runs/all --images photos --out edits/no-words"})
final class DefendCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;
  @Mixin private RunOptions runs;
  @Mixin private SuppressOptions how;
  @Spec private CommandSpec spec;

  @Option(
      names = "--images",
      required = true,
      paramLabel = "SRC",
      description = "Pictures without writing: class folders, or a .csv/.tsv of file and label.")
  private Path images;

  @Option(
      names = "--words",
      split = ",",
      paramLabel = "A,B,C",
      description = "Words to write (default: the classes); one half to find, the other to test.")
  private List<String> words = List.of();

  @Option(
      names = "--out",
      required = true,
      paramLabel = "EDIT",
      description = "New folder; the attacked pictures go to its attacks folder.")
  private Path out;

  @Override
  public Integer call() {
    common.apply();
    Settings settings = how.settings(common.seed());
    boolean rivals = how.rivals();
    Wording wording = how.wording();
    ImageLoader.Options options = how.options();
    NewFolder.require(out);
    RunFolder folder = runs.folder();
    RunFolder.Run trained = Layers.chosen(folder.read(), how.layers());
    try (ClipModel clip = runs.load(trained, common.device());
        RunSaes saes = RunSaes.open(folder, trained, clip)) {
      Progress progress = common.progress();
      StudySource source =
          new Defence(images, out.resolve("attacks"), words, common.seed())
              .write(how.perGroup(), progress);
      Study study = source.read(clip, wording, options, progress);
      String hash = Hashes.sha256(clip.source().weights());
      Map<String, Object> config = new LinkedHashMap<>();
      config.put("run", runs.path().toAbsolutePath().normalize().toString());
      config.put("images", images.toString());
      config.put("words", words);
      how.describe(settings, config);
      RunManifest manifest =
          RunManifest.begin(
              spec.root().commandLine().getParseResult().originalArgs(),
              config,
              Map.of("defend", common.seed()),
              Map.of("model", hash),
              Versions.CLIPSTEER,
              Engine.torchVersion(),
              null);
      SuppressionReport report =
          new SuppressionRun(clip, saes, study, settings).run(rivals, progress);
      EditFolder.write(out, report, runs.path(), hash, manifest);
      report.skipped().forEach(s -> System.err.println("left out " + s.id() + ": " + s.reason()));
      Map<String, @Nullable Object> defence = report.defence();
      Map<String, Object> json = new LinkedHashMap<>(report.json());
      json.put("defence", defence);
      common.print(json, report.text() + "\n" + text(defence));
    }
    return 0;
  }

  private static String text(Map<String, @Nullable Object> defence) {
    Object back = defence.get("won_back");
    return back instanceof Double part
        ? String.format(
            Locale.ROOT, "of the accuracy that the attack costs, %.0f %% won back", 100 * part)
        : "the attack costs no accuracy: nothing to win back";
  }
}
