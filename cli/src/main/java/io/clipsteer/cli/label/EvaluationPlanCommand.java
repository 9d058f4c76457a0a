// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.label;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.OpenRun;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.imageset.JoinReport;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.IndexedUnits;
import io.clipsteer.lab.index.Labels;
import io.clipsteer.lab.label.LabelPlan;
import io.clipsteer.lab.label.LabelTask;
import io.clipsteer.lab.label.LabelledUnit.LabelledKind;
import io.clipsteer.lab.label.PlanFolder;
import io.clipsteer.lab.label.PlanMaker;
import io.clipsteer.lab.label.StudyPower;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Images;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code labels plan}: draws features, controls and images, and makes all trials. */
@Command(
    name = "plan",
    description = {
      "Draw features, controls and images, and make all trials of a human evaluation.",
      "Features are drawn by layer and by quarter of frequency. Controls are mixed in unseen:"
          + " coordinates of the residual stream, random directions, features of an SAE with"
          + " random weights, and random sheets. The folder holds all images that are shown:"
          + " annotators need no model."
    },
    footer =
        "Example: clipsteer labels plan --run runs/l8 --images photos --features 60"
            + " --per-feature 3 --annotators 3 --out study")
final class EvaluationPlanCommand implements Runnable {
  private static final double GOOD = 0.85;
  private static final double CONTROL = 0.75;

  @Mixin private CommonOptions common;
  @Mixin private ImageOptions images;
  @Mixin private RunOptions runs;

  @Option(
      names = "--tasks",
      split = ",",
      paramLabel = "LIST",
      defaultValue = "naming,2afc,intruder,verification",
      description = "Tasks, of ${COMPLETION-CANDIDATES} (default: all).")
  private List<LabelTask> tasks;

  @Option(names = "--features", defaultValue = "24", description = "Features of all SAEs.")
  private int features;

  @Option(
      names = "--controls",
      paramLabel = "N",
      description = "Units of each kind of control (default: a quarter of --features).")
  private @Nullable Integer controls;

  @Option(
      names = "--per-feature",
      defaultValue = "3",
      description = "Trials of each unit in 2afc, intruder and verification.")
  private int perFeature;

  @Option(
      names = "--annotators",
      defaultValue = "3",
      description = "Annotators that are expected, for the estimate of what the study shows.")
  private int annotators;

  @Option(
      names = "--labels",
      paramLabel = "TSV",
      description =
          "Labels of the images, as of clipsteer index: every second 2AFC trial is then a hard one,"
              + " whose inactive query has the labels of the other one (default: class folders).")
  private @Nullable Path labels;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "DIR",
      description = "New folder for plan.json, the images and the answers.")
  private Path out;

  /** What {@code --json} prints. */
  private record Json(
      String out,
      String plan,
      Map<LabelledKind, Integer> units,
      Map<LabelTask, Integer> trials,
      int images,
      double minutes,
      int answersPerFeature,
      double halfWidth,
      int featuresNeeded) {}

  @Override
  public void run() {
    common.apply();
    CommonOptions.within("--features", features, 1, 10_000);
    CommonOptions.within("--per-feature", perFeature, 1, 100);
    CommonOptions.within("--annotators", annotators, 1, 1000);
    int each = controls == null ? Math.max(1, features / 4) : controls;
    CommonOptions.within("--controls", each, 0, 10_000);
    IndexFolder index = IndexFolder.of(runs.folder());
    if (!index.has(IndexedUnits.FEATURES)) {
      throw new InputException(index.path(), "has no index", "Run clipsteer index first");
    }
    Labels known = labels == null ? Labels.ofClasses() : Labels.read(labels);
    WorkFolder.check(out, WorkFolder.ALONE, false);
    LabelPlan plan;
    try (OpenRun open = runs.open(common.device())) {
      Images set = images.resolve(open.clip());
      JoinReport joined = known.join(set.set());
      if (joined != null) Skips.print(joined);
      var settings =
          new PlanMaker.PlanSettings(
              runs.path().toString(),
              tasks.stream().distinct().sorted().toList(),
              features,
              each,
              perFeature,
              annotators,
              common.seed());
      Map<String, String> hashes = open.hashes();
      hashes.put("data", images.hash());
      RunManifest manifest = common.manifest(hashes);
      plan =
          WorkFolder.write(
              out,
              part -> {
                LabelPlan made =
                    PlanMaker.make(
                        open.clip(),
                        set,
                        open.saes(),
                        index,
                        known,
                        settings,
                        new PlanFolder(part),
                        common.progress());
                manifest.finish(Map.of()).writeTo(part);
                return made;
              });
    }
    print(plan);
  }

  private void print(LabelPlan plan) {
    Map<LabelledKind, Integer> units = new EnumMap<>(LabelledKind.class);
    for (var unit : plan.studied()) units.merge(unit.kind(), 1, Integer::sum);
    Map<LabelTask, Integer> trials = new EnumMap<>(LabelTask.class);
    for (var trial : plan.trials()) trials.merge(trial.task(), 1, Integer::sum);
    int answers = perFeature * annotators;
    var json =
        new Json(
            out.toString(),
            new PlanFolder(out).hash(),
            units,
            trials,
            plan.images(),
            plan.minutes(),
            answers,
            StudyPower.halfWidth(GOOD, answers),
            StudyPower.features(GOOD, CONTROL, answers));
    Lines text = new Lines();
    text.add("plan %s: %s%n", json.plan, out);
    units.forEach((kind, n) -> text.add("  %-14s %s%n", kind, Counted.of(n, "unit")));
    trials.forEach((task, n) -> text.add("  %-14s %s%n", task, Counted.of(n, "trial")));
    text.add("About %.0f minutes an annotator.%n", json.minutes);
    text.add(
        "%s a feature: at an accuracy of 85 %% one feature's interval is ± %.1f points; %d features"
            + " and as many controls tell 85 from 75 %% (power 0.8).%n",
        Counted.of(answers, "answer"), 100 * json.halfWidth, json.featuresNeeded);
    text.add("Next: clipsteer explore --run %s --images … --plan %s", plan.run(), out);
    common.print(json, text.toString());
  }
}
