// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.HelpOption;
import io.clipsteer.cli.option.LayerOptions;
import io.clipsteer.cli.option.OpenRun;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.Folders;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.lab.cue.Cue;
import io.clipsteer.lab.cue.CueResult;
import io.clipsteer.lab.cue.InjectedCue;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.Versions;
import io.clipsteer.lab.suppress.SuppressionReport;
import io.clipsteer.lab.suppress.SuppressionSettings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import tools.jackson.core.JacksonException;

/** Studies whose right answer is known, since the cause was planted. */
@Command(
    name = "study",
    description = "Studies whose right answer is known, since the cause was planted.",
    footer = {"", "Example: clipsteer study injected-cue --out runs/cue --json"},
    subcommands = StudyCommand.InjectedCueCommand.class)
final class StudyCommand {
  @Mixin private HelpOption help;

  /** A cue planted so that it goes with the label. */
  @Command(
      name = "injected-cue",
      description = {
        "Plants a cue (a coloured square, from a patch to the whole image) that goes with a"
            + " label, fits a linear probe for the label on embeddings, and says how far"
            + " suppression takes the probe's reliance on the cue away, what it costs the label,"
            + " and at which layer, for each size of the cue.",
        "Without --run it is done on the demo world, with SAEs trained first as demo does."
      },
      footer = {
        "",
        "Example: clipsteer study injected-cue --run runs/all --images photos --out runs/cue",
      })
  static final class InjectedCueCommand implements Callable<Integer> {
    private static final WorkFolder.Layout LAYOUT =
        new WorkFolder.Layout(null, List.of("studies", "demo"));

    @Mixin private CommonOptions common;

    @Spec private CommandSpec spec;

    @Option(
        names = "--run",
        paramLabel = "RUN",
        description = "A training run (default: one made here, on the demo world).")
    private @Nullable Path run;

    @Option(
        names = "--model",
        paramLabel = "PATH",
        description = "The checkpoint, when it is no longer where the run was trained.")
    private @Nullable Path model;

    @Option(
        names = "--images",
        paramLabel = "SRC",
        description = "Images of several classes, in class folders or a table (with --run).")
    private @Nullable Path images;

    private long limit = Long.MAX_VALUE;

    @Option(
        names = "--limit",
        paramLabel = "N",
        description = "Only N images, as many of each class (default: all).")
    void setLimit(long number) {
      if (number < 1) {
        throw new ParameterException(
            spec.commandLine(), "--limit " + number + ": below 1. Leave it out for all");
      }
      limit = number;
    }

    @Option(
        names = "--layers",
        paramLabel = "LIST",
        description = "Layers, as 2,8 or 0-11 (default: all of the run).")
    private @Nullable String layers;

    @Option(
        names = "--cue-sizes",
        split = ",",
        defaultValue = "0.125,0.25,0.5,1",
        paramLabel = "S",
        description = "Sides of the cue, as parts of the image's (default: ${DEFAULT-VALUE}).")
    private List<Double> sizes;

    @Option(
        names = "--strength",
        defaultValue = "0.5",
        paramLabel = "A",
        description = "How far the cue covers what is under it, to 1 (default: ${DEFAULT-VALUE}).")
    private double strength;

    @Option(
        names = "--correlation",
        defaultValue = "0.95",
        paramLabel = "P",
        description = {
          "Share of the probe's training images whose cue agrees with the label"
              + " (default: ${DEFAULT-VALUE})."
        })
    private double correlation;

    @Option(
        names = "--repeats",
        defaultValue = "3",
        paramLabel = "N",
        description = "Studies of each size, with labels of their own (default: ${DEFAULT-VALUE}).")
    private int repeats;

    @Option(
        names = "--select",
        defaultValue = "greedy",
        paramLabel = "WAY",
        description = "As suppress --select (default: ${DEFAULT-VALUE}).")
    private String select;

    @Option(
        names = "--edit",
        defaultValue = "ablate",
        paramLabel = "EDIT",
        description = "As suppress --edit (default: ${DEFAULT-VALUE}).")
    private String edit;

    @Option(
        names = "--max-clean-loss",
        defaultValue = "2",
        paramLabel = "POINTS",
        description = "Points the label's accuracy may lose (default: ${DEFAULT-VALUE}).")
    private double maxLoss;

    @Option(
        names = "--image-batch",
        defaultValue = "32",
        paramLabel = "N",
        description = "Images the tower takes at once (default: ${DEFAULT-VALUE}).")
    private int batch;

    @Option(
        names = "--out",
        required = true,
        paramLabel = "DIR",
        description = "New folder, or with --resume a stopped or finished study's.")
    private Path out;

    @Option(
        names = "--resume",
        description = {
          "Resume in --out: studies that are finished there stay; there may be more of --cue-sizes"
              + " and --repeats than before."
        })
    private boolean resume;

    @Override
    public Integer call() {
      common.apply();
      if ((run == null) != (images == null)) {
        throw new ParameterException(spec.commandLine(), "Give --run and --images, or neither.");
      }
      if (run == null && limit != Long.MAX_VALUE) {
        throw new ParameterException(spec.commandLine(), "--limit has no use without --images.");
      }
      if (repeats < 1 || repeats > 100) {
        throw new ParameterException(spec.commandLine(), "--repeats " + repeats + ": not 1 to 100");
      }
      List<Cue> cues = sizes.stream().distinct().map(size -> new Cue(size, strength)).toList();
      SuppressionSettings settings =
          new SuppressionSettings(
              SuppressionSettings.Select.parse(select),
              SuppressionSettings.Change.parse(edit),
              null,
              List.of(1, 2, 4, 8, 16, 32, 64),
              maxLoss,
              10,
              common.seed(),
              SuppressionSettings.Goal.INDEPENDENCE);
      if (batch < 1 || batch > 1 << 16) {
        throw new InputException("--image-batch " + batch, "not from 1 to 65536", "Try 32");
      }
      WorkFolder.check(out, LAYOUT, resume);
      if (run != null) return run(null, cues, settings);
      try (WorkFolder work = open(Map.of())) {
        demoRun();
        return run(work, cues, settings);
      }
    }

    /** A finished study may be extended by sizes and repeats. */
    private WorkFolder open(Map<String, String> hashes) {
      return WorkFolder.open(
          out, LAYOUT, resume, common.manifest(hashes, "--cue-sizes", "--repeats"));
    }

    /**
     * Does the studies.
     *
     * @param demo the folder, where it is open for the demo's SAEs; null with a run that was given
     */
    private int run(@Nullable WorkFolder demo, List<Cue> cues, SuppressionSettings settings) {
      Path trained = Objects.requireNonNull(run);
      RunFolder folder = RunOptions.folder(trained);
      RunFolder.Run wanted = LayerOptions.chosen(folder.read(), layers);
      Path checkpoint = RunOptions.checkpoint(trained, wanted, model, "--model");
      List<CueResult> results = new ArrayList<>();
      Map<String, @Nullable Object> json;
      CueResult.Trend trend;
      try (OpenRun open =
              OpenRun.of(
                  folder,
                  wanted,
                  ClipModel.load(checkpoint, DType.F32, common.device()),
                  TowerKind.VISION);
          WorkFolder own = demo == null ? open(open.hashes()) : null) {
        var study =
            new InjectedCue(
                open.clip(),
                open.saes(),
                Skips.open(Objects.requireNonNull(images)).spread(limit),
                correlation,
                new ImageLoader.Options(
                    batch,
                    Runtime.getRuntime().availableProcessors(),
                    2,
                    0,
                    limit,
                    ImageDecoder.Options.DEFAULT),
                settings);
        for (int repeat = 0; repeat < repeats; repeat++) {
          for (Cue cue : cues) results.add(one(study, cue, repeat));
        }
        trend = CueResult.trend(results, common.seed());
        json = json(checkpoint, results, trend);
        AtomicFiles.writeJson(out.resolve("study.json"), json);
        Objects.requireNonNull(own == null ? demo : own).finish();
      }
      common.print(json, text(results, trend));
      return 0;
    }

    /** A study, or what came out when it was finished before. */
    private CueResult one(InjectedCue study, Cue cue, int repeat) {
      String name = String.format(Locale.ROOT, "%s-%d", cue.size(), repeat);
      long seed = common.seed() * 1000 + repeat;
      Path file = out.resolve("studies").resolve(name + ".json");
      try {
        if (Files.exists(file)) {
          CueResult read = JsonFile.MAPPER.readValue(Files.readAllBytes(file), CueResult.class);
          if (read != null && read.isOf(cue, seed)) return read;
          throw new InputException(
              file, "is not what this study left", "Delete it, and its study is done again");
        }
      } catch (JacksonException | IOException e) {
        throw new InputException(
            file, "cannot be read", "Delete it, and its study is done again", e);
      }
      Path imageFolder = out.resolve("images").resolve(name);
      Folders.delete(imageFolder); // Of a study that was stopped.
      SuppressionReport report = study.run(cue, imageFolder, seed, true, common.progress());
      Skips.print(null, report.skipped());
      CueResult result = CueResult.of(cue, seed, report);
      AtomicFiles.writeJson(out.resolve("suppressions").resolve(name + ".json"), report.json());
      AtomicFiles.writeJson(file, result);
      return result;
    }

    private Map<String, @Nullable Object> options() {
      Map<String, @Nullable Object> asked = new LinkedHashMap<>();
      asked.put("strength", strength);
      asked.put("correlation", correlation);
      asked.put("select", select);
      asked.put("edit", edit);
      asked.put("goal", SuppressionSettings.Goal.INDEPENDENCE.word());
      asked.put("max_clean_loss", maxLoss);
      asked.put("seed", common.seed());
      return asked;
    }

    /** The demo's model, images and SAEs. */
    private void demoRun() {
      Path folder = out.resolve("demo");
      List<String> needed = List.of("model", "draw-1", "draw-3", "train");
      for (DemoStage stage : DemoStage.all(folder, common.seed(), DemoStage.Size.WHOLE)) {
        Path file = stage.file(folder);
        if (!needed.contains(stage.name()) || Files.exists(file)) continue;
        if (stage.run(file) != 0) {
          throw new InputException(folder, "the demo's SAEs could not be made", "See above");
        }
      }
      run = folder.resolve("run");
      images = folder.resolve("images/objects");
    }

    private Map<String, @Nullable Object> json(
        Path checkpoint, List<CueResult> results, CueResult.@Nullable Trend trend) {
      Map<String, @Nullable Object> json = new LinkedHashMap<>();
      json.put("protocol", 1);
      json.put("clipsteer", Versions.CLIPSTEER);
      json.put("model", checkpoint.toString());
      json.put("source", String.valueOf(images));
      json.putAll(options());
      List<Map<String, @Nullable Object>> studies = new ArrayList<>();
      for (CueResult one : results) {
        Map<String, @Nullable Object> study = new LinkedHashMap<>();
        study.put("size", one.cue().size());
        study.put("seed", one.seed());
        study.put("reliance_before", one.reliance());
        study.put("reliance_after", one.after().reliance());
        study.put("reliance_fall", one.fall());
        study.put("accuracy_before", one.accuracy());
        study.put("accuracy_after", one.after().accuracy());
        study.put("yes_before", one.yes());
        study.put("yes_without_cue", one.plainYes());
        study.put("yes_after", one.after().yes());
        study.put("layer", one.layer());
        study.put("features", one.features());
        study.put("best_layer", one.bestLayer());
        study.put("baselines", one.baselines());
        studies.add(study);
      }
      json.put("studies", studies);
      json.put("best_layer_against_log2_size", trend);
      return json;
    }

    private String text(List<CueResult> results, CueResult.@Nullable Trend trend) {
      StringBuilder text =
          new StringBuilder(
              "cue    reliance  after     fall   label     after  yes, no cue  after  features "
                  + " layer  mean difference\n");
      for (CueResult one : results) {
        Double fall = one.fall();
        CueResult.After projected = one.baselines().get("mean-difference direction");
        text.append(
            String.format(
                Locale.ROOT,
                "%5.3f  %8.3f  %5.3f  %7s  %5.3f     %5.3f  %11.3f  %5.3f  %8d  %5s  %s%n",
                one.cue().size(),
                one.reliance(),
                one.after().reliance(),
                fall == null ? "–" : String.format(Locale.ROOT, "%.0f %%", 100 * fall),
                one.accuracy(),
                one.after().accuracy(),
                one.plainYes(),
                one.after().yes(),
                one.features(),
                one.layer() == null ? "–" : one.layer().toString(),
                projected == null
                    ? "–"
                    : String.format(Locale.ROOT, "%.3f", projected.reliance())));
      }
      text.append(
          "reliance: accuracy where the cue agrees with the label minus where it does not; yes, no"
              + " cue: share of unedited images without it that the probe says yes to, and after:"
              + " of all, edited\n");
      if (trend != null) {
        text.append(
            String.format(
                Locale.ROOT,
                "best layer: %.2f (%.2f to %.2f) layers later for each doubling of the cue's side,"
                    + " %d studies%n",
                trend.slope(),
                trend.low(),
                trend.high(),
                trend.studies()));
      }
      return text.append("study.json and the images are in ").append(out).toString();
    }
  }
}
