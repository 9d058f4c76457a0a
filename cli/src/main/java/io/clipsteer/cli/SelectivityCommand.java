// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.BatchOptions;
import io.clipsteer.cli.option.ClusterOptions;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.FolderOptions;
import io.clipsteer.cli.option.LibraryOptions;
import io.clipsteer.cli.option.MaskOptions;
import io.clipsteer.cli.option.OpenRun;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.show.SelectivityText;
import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.Site;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.lab.block.BlockCluster;
import io.clipsteer.lab.block.BlockWork;
import io.clipsteer.lab.probe.Probe;
import io.clipsteer.lab.probe.ProbeData;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.selectivity.SelectivityReport;
import io.clipsteer.lab.selectivity.SelectivityRun;
import io.clipsteer.lab.selectivity.SelectivityRun.LabelledSet;
import io.clipsteer.lab.selectivity.SelectivitySettings;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code study selectivity}. */
@Command(
    name = "selectivity",
    description = {
      "Does the edit of one feature change one class and leave the others? For each class: the"
          + " share of patches (or images) answered so that change (T), the share of all others"
          + " that change (O), and where they go.",
      "The feature is chosen on other images than those of the result. Controls move every token"
          + " as far: random directions, other features, neurons, the class's mean, a feature of an"
          + " untrained SAE."
    },
    footer =
        "Example: clipsteer study selectivity --run runs/roads --probe probes/roads --data"
            + " segmentation:camvid:validation --train segmentation:camvid:train --ignore 11 --out"
            + " runs/roads-selectivity")
final class SelectivityCommand implements Runnable, BlockCommand {
  private static final String RESULT = "selectivity.json";
  private static final WorkFolder.FolderLayout LAYOUT =
      new WorkFolder.FolderLayout(RESULT, List.of("classes"));

  @Mixin private CommonOptions common;
  @Mixin private RunOptions runs;
  @Mixin private BatchOptions batch;
  @Mixin private MaskOptions masks;
  @Mixin private FolderOptions folder;
  @Mixin private ClusterOptions cluster;

  @Option(
      names = "--probe",
      required = true,
      paramLabel = "PROBE",
      description = "The --out of clipsteer probe train.")
  private Path probe;

  @Option(
      names = "--data",
      required = true,
      paramLabel = "LAYOUT:PATH",
      description = "Images of the result: " + ProbeCommand.LAYOUTS)
  private String data;

  @Option(
      names = "--train",
      paramLabel = "LAYOUT:PATH",
      description = "Images that features are chosen on (default: half of --data, by --seed).")
  private @Nullable String train;

  @Option(
      names = "--layer",
      paramLabel = "L",
      description =
          "Layer whose SAE is edited (default: the head's if the run has it, else its last).")
  private @Nullable Integer layer;

  @Option(
      names = "--class",
      paramLabel = "A,B",
      description = "Classes to study, separated by commas (default: all).")
  private @Nullable String only;

  @Option(
      names = "--against",
      paramLabel = "C,D",
      description = {
        "For each of --class another one: choose the feature that tells the two apart, and whose"
            + " edit makes the one the other."
      })
  private @Nullable String against;

  @Option(
      names = "--feature",
      paramLabel = "L:J",
      description = "Feature to edit, in the place of choosing one for each class.")
  private @Nullable String feature;

  @Option(
      names = "--select",
      defaultValue = "f1",
      paramLabel = "HOW",
      description = {
        "How a feature is chosen: ${COMPLETION-CANDIDATES} (of the first twelve by both, the one"
            + " with the largest T - O at the first scale)."
      })
  private SelectivitySettings.FeatureChoice select;

  @Option(
      names = "--size",
      defaultValue = "1",
      paramLabel = "K",
      description = {
        "With --select effect: edit up to K features of a class together, added one by one while"
            + " that raises their effect."
      })
  private int size;

  @Option(
      names = "--scale",
      split = ",",
      defaultValue = "0,-2",
      paramLabel = "A,B",
      description = "Values to set features to, in multiples of their largest activation.")
  private List<Double> scales;

  @Option(
      names = "--controls",
      defaultValue = "20",
      description =
          "Random directions, other features and neurons: so many of each. The smallest p is"
              + " 1/(3N + 1).")
  private int controls;

  /** What the options name, before a model is loaded. */
  private record Given(
      Probe head, ProbeData tested, @Nullable ProbeData training, @Nullable Feature feature) {}

  @Override
  public void run() {
    common.apply();
    CommonOptions.within("--controls", controls, 1, 10_000);
    CommonOptions.within("--size", size, 1, 100);
    folder.check(LAYOUT);
    if (cluster.isGiven()) common.givenThreads();
    Given given = given();
    try (OpenRun run = opened(given)) {
      SelectivityRun study = study(given, run);
      try (WorkFolder work = folder.open(LAYOUT, manifest(run, study));
          BlockCluster.ClusterSession session = cluster.later(common)) {
        SelectivityReport report =
            study.run(work.path(), cluster.isGiven() ? session : null, common.progress());
        AtomicFiles.writeJson(work.path().resolve(RESULT), report);
        work.finish();
        Skips.print(report.skipped());
        common.print(report, SelectivityText.of(report));
      }
    }
  }

  /** What a process of a cluster does: it studies classes, and stores them in the folder. */
  @Override
  public BlockWork open() {
    common.apply();
    Given given = given();
    return BlockWork.of(
        opened(given),
        OpenRun::close,
        run -> {
          SelectivityRun study = study(given, run);
          folder.requireSame(manifest(run, study));
          return study.shared(folder.out());
        });
  }

  private Given given() {
    Probe head = Probe.read(probe);
    ProbeData tested = data("--data", data, head);
    ProbeData training = train == null ? null : data("--train", train, head);
    return new Given(head, tested, training, feature());
  }

  private OpenRun opened(Given given) {
    RunFolder.Run trained = chosen(given.feature, given.head);
    return runs.open(trained, TowerKind.VISION, common.device());
  }

  private SelectivityRun study(Given given, OpenRun run) {
    ClipModel clip = run.clip();
    Probe head = given.head;
    head.check(clip, probe);
    var one = run.saes().all().getFirst();
    boolean pixels = head.reads().task() == Probe.HeadTask.SEGMENTATION;
    if (pixels && one.point().layer() > head.reads().layer()) {
      throw new InputException(
          "--layer " + one.point().layer(),
          "the head reads layer " + head.reads().layer() + ", before it",
          "Edit that or an earlier one");
    }
    if (given.feature != null && given.feature.number >= one.sae().features()) {
      throw new InputException(
          "--feature " + feature,
          "the SAE has features 0 to " + (one.sae().features() - 1),
          "Name one of them");
    }
    AnswerHead whole = pixels ? null : head.head(clip, probe);
    LabelledSet all = set(clip, given.tested, head);
    LabelledSet other = given.training == null ? null : set(clip, given.training, head);
    return new SelectivityRun(clip, one, head, whole, other, all, settings(head, given.feature));
  }

  private RunManifest manifest(OpenRun run, SelectivityRun study) {
    Map<String, String> hashes = run.hashes();
    hashes.put("probe", Hashes.sha256(probe.resolve(Probe.TENSORS)));
    hashes.put("data", study.test().images().listing().sha256());
    LabelledSet other = study.train();
    if (other != null) hashes.put("train", other.images().listing().sha256());
    return common.manifest(hashes);
  }

  private ProbeData data(String option, String text, Probe head) {
    return ProbeCommand.data(option, text, masks.ignored(), head);
  }

  private LabelledSet set(ClipModel clip, ProbeData data, Probe head) {
    Images images = ProbeCommand.images(clip, data, head.reads(), batch);
    return new LabelledSet(data, images);
  }

  private record Feature(int layer, int number) {}

  private @Nullable Feature feature() {
    if (feature == null) return null;
    if (!feature.matches("\\d{1,4}:\\d{1,9}")) {
      throw new InputException(
          "--feature " + feature, "is no feature", "Write LAYER:NUMBER, as 7:1234");
    }
    String[] parts = feature.split(":", 2);
    return new Feature(Integer.parseInt(parts[0]), Integer.parseInt(parts[1]));
  }

  /** The run with the SAE that is edited. */
  private RunFolder.Run chosen(@Nullable Feature chosen, Probe head) {
    if (chosen != null && layer != null && layer != chosen.layer) {
      throw new InputException(
          "--layer " + layer, "is not that of --feature " + feature, "Omit it");
    }
    RunFolder.Run trained = runs.folder().read();
    List<Integer> layers =
        trained.saes().stream().map(e -> e.point().layer()).distinct().sorted().toList();
    int wanted =
        chosen != null
            ? chosen.layer
            : layer != null
                ? layer
                : layers.contains(head.reads().layer()) ? head.reads().layer() : layers.getLast();
    for (RunFolder.SaeEntry entry : trained.saes()) {
      if (entry.point().layer() == wanted && entry.point().site() == Site.RESID_POST) {
        return new RunFolder.Run(trained.model(), List.of(entry));
      }
    }
    throw new InputException(
        (chosen != null ? "--feature " + feature : "--layer " + wanted),
        "the run has no SAE of the residual there",
        "It has layers " + layers);
  }

  private SelectivitySettings settings(Probe head, @Nullable Feature chosen) {
    List<String> classes = only == null ? List.of() : LibraryOptions.names("--class", only);
    for (String name : classes) known("--class", name, head);
    List<String> others = against == null ? List.of() : List.of(against.split(",", -1));
    for (int i = 0; i < others.size(); i++) {
      known("--against", others.get(i), head);
      if (classes.size() == others.size() && !classes.get(i).equals(others.get(i))) continue;
      throw new InputException(
          "--against " + against,
          "must name one other class for each of --class",
          "Name as many, in the same order");
    }
    return new SelectivitySettings(
        select,
        size,
        chosen == null ? null : chosen.number,
        classes,
        others,
        scales.stream().distinct().toList(),
        controls,
        common.seed());
  }

  private static void known(String option, String name, Probe head) {
    if (head.classes().contains(name)) return;
    throw new InputException(
        option + " " + name,
        "the probe has no such class",
        "Its classes are " + String.join(", ", head.classes()));
  }
}
