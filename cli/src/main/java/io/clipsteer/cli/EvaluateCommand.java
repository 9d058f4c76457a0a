// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.BlockOptions;
import io.clipsteer.cli.option.ClusterOptions;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.LibraryOptions;
import io.clipsteer.cli.option.OpenRun;
import io.clipsteer.cli.option.ResumeOption;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.option.TruthOption;
import io.clipsteer.cli.report.EvaluationPage;
import io.clipsteer.cli.show.EvaluationText;
import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.lab.block.BlockWork;
import io.clipsteer.lab.block.WorkPlan;
import io.clipsteer.lab.evaluate.SparsityBlocks;
import io.clipsteer.lab.evaluate.SparsityReport;
import io.clipsteer.lab.evaluate.SparsityRun;
import io.clipsteer.lab.evaluate.TextSparsityRun;
import io.clipsteer.lab.evaluate.Truth;
import io.clipsteer.lab.run.BlockFiles;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.train.TrainSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The sparsity and reconstruction report. */
@Command(
    name = "evaluate",
    description = {
      "Measure a run's SAEs: sparsity, reconstruction quality, and the zero-shot loss with the"
          + " reconstruction spliced in.",
      "Zero-shot accuracy needs labelled images: class folders, a table or --truth. SAEs of the"
          + " text tower are measured on --texts. The figures are also written to evaluation.json"
          + " and evaluation.html in the run's folder."
    },
    footer = {
      "Example: clipsteer evaluate --run runs/l8 --images photos/test --json",
      "         clipsteer evaluate --run runs/text --texts captions.txt --images photos/test"
    })
final class EvaluateCommand implements Runnable, BlockCommand, PlannedCommand {
  @Mixin private CommonOptions common;
  @Mixin private ImageOptions images;
  @Mixin private TruthOption classes;
  @Mixin private LibraryOptions words;
  @Mixin private RunOptions runs;
  @Mixin private BlockOptions blocks;
  @Mixin private ClusterOptions cluster;
  @Mixin private ResumeOption resume;

  @Option(
      names = "--texts",
      paramLabel = "FILE",
      description = "Texts, one a line, for SAEs of the text tower.")
  private @Nullable Path texts;

  @Option(
      names = "--legacy",
      description = "Also compute the figures as the code of arXiv 2504.08729 does.")
  private boolean legacy;

  @Override
  public void run() {
    common.apply();
    images.labelledBy(classes.table());
    if (texts != null) checkTexts();
    RunFolder folder = runs.folder();
    SparsityReport.checkWritable(folder);
    EvaluationPage.checkWritable(folder);
    TowerKind tower = texts == null ? TowerKind.VISION : TowerKind.TEXT;
    SparsityReport report;
    try (OpenRun open = runs.open(folder.read(), tower, common.device());
        WorkFolder work =
            WorkFolder.addTo(runs.path(), RunFolder.EVALUATION_MANIFEST, manifest(open))) {
      report = texts == null ? onImages(open) : onTexts(open, texts);
      RunManifest training = folder.manifest();
      if (training != null && otherWeights(training, open.clip())) {
        report = report.with(SparsityReport.OTHER_WEIGHTS);
      }
      if (training != null && trainedHere(training)) {
        report = report.with(SparsityReport.TRAINED_HERE);
      }
      report.write(folder);
      EvaluationPage.write(folder, report);
      work.finish();
    }
    images.report(report.skipped());
    common.print(report, EvaluationText.of(runs.path(), report));
  }

  private void checkTexts() {
    if (cluster.isGiven()) {
      throw new InputException("--master", "has no use with --texts", "Evaluate them here");
    }
    if (legacy) {
      throw new InputException(
          "--legacy", "has no use with --texts", "The paper's code evaluates images only");
    }
    if (words.areEmbeddings()) {
      throw new InputException(
          "--library",
          "has no use with --texts",
          "Give the words with --classes: the edited tower must read them");
    }
  }

  private RunManifest manifest(OpenRun open) {
    Map<String, String> hashes = open.hashes();
    hashes.put("data", images.hash());
    if (texts != null) hashes.put("texts", Hashes.sha256(texts));
    return common.manifest(hashes);
  }

  private SparsityReport onImages(OpenRun open) {
    SparsityRun run = run(open);
    if (!cluster.isGiven()) return run.run(common.progress());
    cluster.check(common);
    BlockFiles files = files(open);
    resume.start(files);
    SparsityReport report =
        cluster.stages(common, run.blocks(), files, new SparsityBlocks(run, files)::run);
    files.delete();
    return report;
  }

  private SparsityRun run(OpenRun open) {
    Images set = images.resolve(open.clip());
    Truth truth = truth(open.clip(), set);
    return new SparsityRun(open.clip(), blocks.of(set), open.saes(), truth, legacy);
  }

  private BlockFiles files(OpenRun open) {
    return runs.folder().evaluationBlocks(manifest(open).fingerprint());
  }

  @Override
  public WorkPlan plan() {
    common.apply();
    images.labelledBy(classes.table());
    if (texts != null) throw new InputException("--texts", "has no plan", "Plan images");
    try (OpenRun open = runs.open(runs.folder().read(), TowerKind.VISION, common.device())) {
      return run(open).plan();
    }
  }

  /** What a process of a cluster does: it measures blocks. */
  @Override
  public BlockWork open() {
    common.apply();
    images.labelledBy(classes.table());
    return BlockWork.of(
        runs.open(runs.folder().read(), TowerKind.VISION, common.device()),
        OpenRun::close,
        open -> new SparsityBlocks(run(open), files(open)));
  }

  private SparsityReport onTexts(OpenRun open, Path file) {
    var source = TrainSource.FromTexts.read(open.clip(), file);
    TextSparsityRun.Judge judge = null;
    if (images.isGiven()) {
      Images set = images.resolve(open.clip());
      judge = new TextSparsityRun.Judge(set, truth(open.clip(), set), words.prompts());
    }
    return new TextSparsityRun(source, open.saes(), judge).run(common.progress());
  }

  private Truth truth(ClipModel clip, Images set) {
    Progress progress = common.progress();
    TextLibrary given = words.areGiven() ? words.resolve(clip, progress) : null;
    Truth truth = Truth.of(clip, set, given, words.prompts(), progress);
    if (truth.library() == null) Skips.note(truth.reason());
    return truth;
  }

  /** Whether a training's manifest knows weights of another checksum. */
  private static boolean otherWeights(RunManifest training, ClipModel clip) {
    String hash = training.hashes().get("model");
    return hash != null && !hash.equals(Hashes.sha256(clip.source().weights()));
  }

  /** Whether a training's manifest says that these very images, or texts, were trained on. */
  private boolean trainedHere(RunManifest training) {
    try {
      Object own = training.config().get(texts == null ? "images" : "texts");
      return own instanceof String source
          && Files.isSameFile(Path.of(source), texts == null ? images.images() : texts);
    } catch (InvalidPathException | IOException e) {
      return false; // its images have gone: nothing can be said
    }
  }
}
