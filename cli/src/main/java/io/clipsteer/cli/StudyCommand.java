// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.EditChoiceOptions;
import io.clipsteer.cli.option.HelpOption;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.LayerOptions;
import io.clipsteer.cli.option.OpenRun;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.lab.cue.Cue;
import io.clipsteer.lab.cue.CueReport;
import io.clipsteer.lab.cue.CueResult;
import io.clipsteer.lab.cue.InjectedCue;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.suppress.SuppressionSettings;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Controlled experiments. */
@Command(
    name = "study",
    description = "Controlled experiments: a planted cause, or one class beside all others.",
    footer = "Example: clipsteer study injected-cue --out runs/cue --json",
    subcommands = {StudyCommand.InjectedCueCommand.class, SelectivityCommand.class})
final class StudyCommand {
  @Mixin private HelpOption help;

  /** A cue planted so that it correlates with the label. */
  @Command(
      name = "injected-cue",
      description = {
        "Plants a cue (a coloured square, from a patch to the whole image) that correlates with a"
            + " label, trains a linear probe for the label on embeddings, and reports for each"
            + " size of the cue how far suppression reduces the probe's reliance on the cue, what"
            + " it costs the label, and at which layer.",
        "Without --run the study uses the demo world, and first trains SAEs as demo does."
      },
      footer =
          "Example: clipsteer study injected-cue --run runs/all --images photos --out runs/cue")
  static final class InjectedCueCommand implements Runnable {
    private static final WorkFolder.FolderLayout LAYOUT =
        new WorkFolder.FolderLayout(null, List.of("studies", "demo"));
    private static final List<Integer> SET_SIZES = List.of(1, 2, 4, 8, 16, 32, 64);
    private static final int DRAWS = 10;

    @Mixin private CommonOptions common;
    @Mixin private LayerOptions layers;
    @Mixin private ImageOptions images;

    @Mixin
    private EditChoiceOptions choice =
        new EditChoiceOptions(
            SuppressionSettings.Select.GREEDY, 2, SuppressionSettings.Goal.INDEPENDENCE);

    @Spec private CommandSpec spec;

    @ArgGroup(exclusive = false, multiplicity = "0..1")
    private @Nullable RunOptions run;

    @Option(
        names = "--cue-sizes",
        split = ",",
        defaultValue = "0.125,0.25,0.5,1",
        paramLabel = "S",
        description = "Sides of the cue, as parts of the image's.")
    private List<Double> sizes;

    @Option(
        names = "--strength",
        defaultValue = "0.5",
        paramLabel = "A",
        description = "Opacity of the cue, above 0 to 1.")
    private double strength;

    @Option(
        names = "--correlation",
        defaultValue = "0.95",
        paramLabel = "P",
        description = "Share of the probe's training images whose cue agrees with the label.")
    private double correlation;

    @Option(
        names = "--repeats",
        defaultValue = "3",
        description = "Studies of each size, each with other labels.")
    private int repeats;

    @Option(
        names = "--out",
        required = true,
        paramLabel = "DIR",
        description = "New folder, or with --resume that of a stopped study.")
    private Path out;

    @Option(
        names = "--resume",
        description =
            "Resume in --out: finished studies are kept; --cue-sizes and --repeats may have grown.")
    private boolean resume;

    @Override
    public void run() {
      common.apply();
      boolean limited = spec.commandLine().getParseResult().hasMatchedOption("--limit");
      if ((run == null) == images.isGiven()) {
        throw common.usage("Give --run and --images, or neither.");
      }
      if (run == null && limited) {
        throw common.usage("--limit needs --images.");
      }
      CommonOptions.within("--repeats", repeats, 1, 100);
      List<Cue> cues = sizes.stream().distinct().map(size -> new Cue(size, strength)).toList();
      SuppressionSettings settings = choice.settings(null, SET_SIZES, DRAWS, false, common.seed());
      WorkFolder.check(out, LAYOUT, resume);
      if (run != null) {
        run(null, cues, settings);
        return;
      }
      try (WorkFolder work = open(Map.of())) {
        makeDemo(out.resolve("demo"));
        run(work, cues, settings);
      }
    }

    /** Opens the folder; a finished study may be extended by sizes and repeats. */
    private WorkFolder open(Map<String, String> hashes) {
      return WorkFolder.open(
          out, LAYOUT, resume, common.manifest(hashes, "--cue-sizes", "--repeats"));
    }

    /**
     * Does the studies.
     *
     * @param demo the folder, where it is open for the demo's SAEs; null where a run was given
     */
    private void run(@Nullable WorkFolder demo, List<Cue> cues, SuppressionSettings settings) {
      Path made = out.resolve("demo");
      RunFolder folder = run == null ? new RunFolder(made.resolve("run")) : run.folder();
      RunFolder.Run wanted = layers.chosen(folder.read());
      ClipModel clip =
          run == null
              ? ClipModel.load(Path.of(wanted.model()), DType.F32, common.device())
              : run.load(wanted, common.device());
      try (OpenRun open = OpenRun.of(folder, wanted, clip, TowerKind.VISION);
          WorkFolder own = demo == null ? open(open.hashes()) : null) {
        Images set = images.resolve(clip, run == null ? made.resolve("images/objects") : null);
        var study = new InjectedCue(clip, open.saes(), set, correlation, settings);
        List<CueResult> results = study.run(cues, repeats, out, Skips::print, common.progress());
        CueReport report = CueReport.of(study, strength, results);
        AtomicFiles.writeJson(out.resolve("study.json"), report);
        Objects.requireNonNull(own == null ? demo : own).finish();
        common.print(report, text(report) + "study.json and the images are in " + out);
      }
    }

    /** A row for each study, and the trend over them. */
    private static String text(CueReport report) {
      Lines text =
          new Lines()
              .add(
                  "cue    reliance  after     fall   label     after  yes, no cue  after  features "
                      + " layer  mean difference%n");
      for (CueResult one : report.studies()) row(text, one);
      text.add(
          "reliance: accuracy where the cue agrees with the label minus where it does not; yes, no"
              + " cue: share of unedited images without the cue that the probe answers yes, and"
              + " after: share of all edited images%n");
      CueResult.Trend trend = report.bestLayerAgainstLog2Size();
      if (trend != null) {
        text.add(
            "best layer: %.2f (%.2f to %.2f) layers later for each doubling of the cue's side,"
                + " %d studies%n",
            trend.slope(), trend.low(), trend.high(), trend.studies());
      }
      return text.toString();
    }

    private static void row(Lines text, CueResult one) {
      Double fall = one.relianceFall();
      CueResult.ProbeScore projected = one.baselines().get("mean-difference direction");
      text.add(
          "%5.3f  %8.3f  %5.3f  %7s  %5.3f     %5.3f  %11.3f  %5.3f  %8d  %5s  %s%n",
          one.size(),
          one.relianceBefore(),
          one.relianceAfter(),
          fall == null ? "–" : Lines.of("%.0f %%", 100 * fall),
          one.accuracyBefore(),
          one.accuracyAfter(),
          one.yesWithoutCue(),
          one.yesAfter(),
          one.features(),
          one.layer() == null ? "–" : one.layer().toString(),
          projected == null ? "–" : Lines.of("%.3f", projected.reliance()));
    }

    /** Makes the demo's model, images and SAEs. */
    private void makeDemo(Path folder) {
      List<String> needed = List.of("model", "draw-1", "draw-3", "train");
      for (CommandStage stage : DemoStage.all(folder, common.seed(), false)) {
        Path file = stage.file(folder);
        if (!needed.contains(stage.name()) || Files.exists(file)) continue;
        if (stage.run(file) != 0) {
          throw new InputException(folder, "the demo's SAEs could not be trained", "See above");
        }
      }
    }
  }
}
