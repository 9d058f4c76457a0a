// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.AnswerOptions;
import io.clipsteer.cli.option.ClusterOptions;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.FolderOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.LayerOptions;
import io.clipsteer.cli.option.OpenRun;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.show.SteerabilityText;
import io.clipsteer.data.Hashes;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.lab.block.BlockCluster;
import io.clipsteer.lab.block.BlockWork;
import io.clipsteer.lab.block.WorkPlan;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.IndexedUnits;
import io.clipsteer.lab.steer.Findings;
import io.clipsteer.lab.steer.Forecast;
import io.clipsteer.lab.steer.SteerabilityFolder;
import io.clipsteer.lab.steer.SteerabilityParts;
import io.clipsteer.lab.steer.SteerabilityReport;
import io.clipsteer.lab.steer.SteerabilityRun;
import io.clipsteer.lab.steer.SteerabilitySettings;
import io.clipsteer.lab.steer.SteeredUnits;
import io.clipsteer.lab.steer.Strength;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How far features, neurons and random directions steer the answers. */
@Command(
    name = "steerability",
    description = {
      "Measure how far each feature of a run steers zero-shot answers over a vocabulary.",
      "Baselines: neurons (coordinates of the residual stream) and random directions. Tables of all"
          + " units and steerability.json go to --out."
    },
    footer =
        "Example: clipsteer steerability --run runs/l8 --images photos --limit 192"
            + " --vocabulary words.txt --out runs/l8-steerability")
final class SteerabilityCommand implements Runnable, BlockCommand, PlannedCommand {
  @Mixin private CommonOptions common;
  @Mixin private ImageOptions images;
  @Mixin private AnswerOptions vocabulary;
  @Mixin private RunOptions runs;
  @Mixin private LayerOptions layers;
  @Mixin private FolderOptions folder;
  @Mixin private ClusterOptions cluster;

  @Option(
      names = "--units",
      defaultValue = "features,neurons,random",
      split = ",",
      paramLabel = "LIST",
      description = "Units to steer, of ${COMPLETION-CANDIDATES}.")
  private List<SteeredUnits.UnitKind> units;

  @Option(
      names = "--set",
      split = ",",
      paramLabel = "A,B",
      description = {
        "Strengths that units are set to, each a measurement. 2x: twice a feature's largest"
            + " activation in the run's index, a neuron's on these images, and random directions as"
            + " far as a feature; a number: in units of the normalised residual for features and"
            + " random directions, of the residual for neurons (default: 1x,2x,150; without an"
            + " index of the run 150)."
      })
  private List<Strength> set = List.of();

  /** Natural strengths, then the paper's. */
  private static final List<Strength> NATURAL =
      List.of(Strength.times(1), Strength.times(2), Strength.of(150));

  @Option(
      names = "--tau",
      defaultValue = "0.1",
      paramLabel = "T",
      description = "A unit with unbiased S > T is steerable.")
  private double tau;

  @Option(
      names = "--at",
      defaultValue = "all",
      paramLabel = "TOKENS",
      description = "Tokens to steer: all, cls, patches or numbers as 3,4,9.")
  private String at;

  @Option(
      names = "--screen",
      description = "Save time: read more images only for units that are not yet clear of tau.")
  private boolean screen;

  @Option(
      names = "--sample",
      defaultValue = "0",
      description = "Measure a random sample of N features of each SAE (default: all).")
  private int sample;

  @Option(
      names = "--random-count",
      defaultValue = "512",
      description = "Random directions at each hook point.")
  private int randoms;

  @Option(
      names = "--dose",
      defaultValue = "0",
      description =
          "Dose-response: steer each SAE's N most steerable features at nine or ten strengths as"
              + " well (default: none).")
  private int dose;

  @Option(
      names = "--vocabulary-sizes",
      split = ",",
      paramLabel = "N",
      description = "Repeat with parts of the vocabulary of N words, as 200,1000.")
  private List<Integer> vocabularies = List.of();

  @Override
  public void run() {
    common.apply();
    vocabulary.require();
    folder.check(SteerabilityFolder.LAYOUT);
    SteerabilitySettings settings = settings();
    if (cluster.isGiven()) common.givenThreads();
    try (OpenRun run = opened()) {
      SteerabilityRun measurement = measurement(run, settings, common.progress());
      measurement.check();
      SteerabilityReport report;
      try (WorkFolder work = folder.open(SteerabilityFolder.LAYOUT, manifest(run, measurement));
          BlockCluster.ClusterSession session = cluster.later(common)) {
        var measured = new SteerabilityFolder(work.path());
        Consumer<List<Forecast>> forecasts =
            widths -> System.err.println(SteerabilityText.forecast(widths));
        report =
            cluster.isGiven()
                ? measurement.run(measured, session, common.progress(), forecasts)
                : measurement.run(measured, common.progress(), forecasts);
        measured.write(report);
        work.finish();
      }
      images.report(report.skipped());
      common.print(report, SteerabilityText.of(report, folder.out()));
    }
  }

  /** What a process of a cluster does: it measures parts, and stores them in the folder. */
  @Override
  public BlockWork open() {
    common.apply();
    SteerabilityFolder parts = new SteerabilityFolder(folder.out());
    return BlockWork.of(
        opened(),
        OpenRun::close,
        run -> new SteerabilityParts(measurement(run, settings(), Progress.SILENT), parts));
  }

  @Override
  public WorkPlan plan() {
    common.apply();
    vocabulary.require();
    try (OpenRun run = opened()) {
      SteerabilityRun measurement = measurement(run, settings(), Progress.SILENT);
      measurement.check();
      try (var parts = new SteerabilityParts(measurement, new SteerabilityFolder(folder.out()))) {
        return parts.plan();
      }
    }
  }

  private OpenRun opened() {
    return runs.open(layers.chosen(runs.folder().read()), TowerKind.VISION, common.device());
  }

  private SteerabilityRun measurement(
      OpenRun run, SteerabilitySettings settings, Progress progress) {
    AnswerHead head = vocabulary.resolve(run.clip(), progress);
    var known = Findings.known(IndexFolder.of(run.folder()), head.words());
    return new SteerabilityRun(
        run.clip(), images.resolve(run.clip()), run.saes(), head, settings, known);
  }

  private SteerabilitySettings settings() {
    return new SteerabilitySettings(
        units.stream().distinct().toList(),
        strengths(),
        tau,
        at,
        screen,
        sample,
        randoms,
        dose,
        vocabularies,
        common.seed());
  }

  private List<Strength> strengths() {
    if (!set.isEmpty()) return set;
    IndexFolder index = IndexFolder.of(runs.folder());
    if (index.has(IndexedUnits.FEATURES)) return NATURAL;
    System.err.println(
        "1x and 2x, a feature's own activations, are not measured: they need an index of the run"
            + " (clipsteer index --run "
            + runs.folder().path()
            + " --images SRC)");
    return List.of(NATURAL.getLast());
  }

  private RunManifest manifest(OpenRun run, SteerabilityRun measurement) {
    AnswerHead head = measurement.head();
    Map<String, String> hashes = run.hashes();
    hashes.put("data", measurement.batches().listing().sha256());
    hashes.put("words", sha256(String.join("\n", head.words())));
    float[] bias = head.isBiased() ? head.bias() : new float[0];
    ByteBuffer embeddings = ByteBuffer.allocate(4 * (head.rows().length + bias.length));
    embeddings.asFloatBuffer().put(head.rows()).put(bias);
    hashes.put("embeddings", Hashes.sha256(embeddings.array()));
    hashes.put("index", sha256(JsonFile.line(measurement.known())));
    return common.manifest(hashes);
  }

  private static String sha256(String text) {
    return Hashes.sha256(text.getBytes(StandardCharsets.UTF_8));
  }
}
