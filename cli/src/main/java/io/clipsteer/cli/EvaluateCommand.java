// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.RunManifest;
import io.clipsteer.engine.model.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.Pictures;
import io.clipsteer.lab.Progress;
import io.clipsteer.lab.RunFolder;
import io.clipsteer.lab.RunSaes;
import io.clipsteer.lab.SparsityReport;
import io.clipsteer.lab.SparsityRun;
import io.clipsteer.lab.Truth;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The sparsity and reconstruction report. */
@Command(
    name = "evaluate",
    description = {
      "How sparse a run's SAEs are on pictures, how well they give back what they read, and what"
          + " zero-shot answers lose when the model goes on with what they give back.",
      "Pictures in class folders are judged; a folder's name is its class. All numbers also go to"
          + " evaluation.json and a page, evaluation.html, in the run folder."
    },
    footer = {
      "",
      "Example: clipsteer evaluate --run runs/l8 --images photos/test --json",
    })
final class EvaluateCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;

  @Mixin private PictureOptions pictures;

  @ArgGroup(exclusive = true, multiplicity = "0..1")
  private LibraryOptions.@Nullable Words words;

  @Option(
      names = "--templates",
      paramLabel = "FILE",
      description = "Prompt templates, one a line with {} (default: \"a photo of a {}.\").")
  private @Nullable Path templates;

  @Mixin private RunOptions runs;

  @Option(
      names = "--legacy",
      description = "Also the forms in which the paper's code computes its published tables.")
  private boolean legacy;

  @Override
  public Integer call() {
    common.apply();
    Path run = runs.path();
    RunFolder folder = runs.folder();
    RunFolder.Run trained = folder.read();
    SparsityReport.checkWritable(folder);
    EvaluationPage.checkWritable(run);
    SparsityReport report;
    try (ClipModel clip = runs.load(trained, common.device());
        RunSaes saes = RunSaes.open(folder, trained, clip)) {
      Pictures set = pictures.resolve(clip);
      Truth truth = truth(clip, set);
      report = new SparsityRun(clip, set, saes, truth, legacy).run(common.progress());
      if (otherWeights(clip)) report = report.with(SparsityReport.OTHER_WEIGHTS);
    }
    if (trainedHere()) report = report.with(SparsityReport.TRAINED_HERE);
    report.write(folder);
    EvaluationPage.write(run, report);
    report.skipped().forEach(s -> System.err.println("left out " + s.id() + ": " + s.reason()));
    common.print(report.json(), EvaluationText.of(run, report));
    return 0;
  }

  private Truth truth(ClipModel clip, Pictures set) {
    Progress progress = common.progress();
    TextLibrary given =
        words == null ? null : LibraryOptions.resolve(words, templates, clip, progress);
    return Truth.of(clip, set, given, LibraryOptions.prompts(templates), progress);
  }

  /** Whether the manifest knows weights of another checksum. */
  private boolean otherWeights(ClipModel clip) {
    String trained;
    try {
      trained = RunManifest.read(runs.path()).hashes().get("model");
    } catch (InputException e) {
      return false; // no manifest: nothing can be said
    }
    return trained != null && !trained.equals(Hashes.sha256(clip.source().weights()));
  }

  /** Whether the manifest says that these very pictures were trained on. */
  private boolean trainedHere() {
    try {
      Object images = RunManifest.read(runs.path()).config().get("images");
      return images instanceof String source
          && Files.isSameFile(Path.of(source), pictures.images());
    } catch (InputException | InvalidPathException | IOException e) {
      return false; // no manifest, or its pictures have gone: nothing can be said
    }
  }
}
