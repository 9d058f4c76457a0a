// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.lab.run.RunFolder;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** A training run, and the model it was trained on. */
public final class RunOptions {
  @Option(
      names = "--run",
      required = true,
      paramLabel = "RUN",
      description = "Training run: the --out of clipsteer train.")
  private Path run;

  @Option(
      names = "--model",
      paramLabel = "PATH",
      description = "The run's checkpoint, if it has moved since the training.")
  private @Nullable Path model;

  /** As {@link TowerDtype}, which a group of options, as this one is in a study, cannot mix in. */
  @Option(
      names = "--dtype",
      defaultValue = "fp32",
      paramLabel = "DTYPE",
      completionCandidates = DtypeWords.class,
      description = "Arithmetic of the tower: fp32 or bf16.")
  private DType dtype;

  public Path path() {
    return run;
  }

  public RunFolder folder() {
    return folder(run);
  }

  /** A run's folder that exists. */
  public static RunFolder folder(Path run) {
    if (!Files.exists(run)) {
      throw new InputException(run, "there is no such folder", "Name a run of clipsteer train");
    }
    if (!Files.isDirectory(run)) {
      throw new InputException(run, "is a file, not a run's folder", "Name the folder");
    }
    return new RunFolder(run);
  }

  /** The run's checkpoint, loaded; the caller closes it. */
  public ClipModel load(RunFolder.Run trained, Device device) {
    return ClipModel.load(checkpoint(run, trained, model, "--model"), dtype, device);
  }

  /** The run with its model and all its SAEs of the vision tower. */
  public OpenRun open(Device device) {
    return open(folder().read(), TowerKind.VISION, device);
  }

  /**
   * The run with its model and some of its SAEs.
   *
   * @param chosen the run with the SAEs to open
   * @param tower that they read
   */
  public OpenRun open(RunFolder.Run chosen, TowerKind tower, Device device) {
    return OpenRun.of(folder(), chosen, load(chosen, device), tower);
  }

  /**
   * The SAE at a path; a run stands for its SAE where it has only one.
   *
   * @throws InputException for a run of several SAEs, which are named
   */
  public static Path sae(Path path) {
    RunFolder folder = new RunFolder(path);
    if (!folder.isFinished()) return path;
    List<RunFolder.SaeEntry> saes = folder.read().saes();
    if (saes.size() == 1) return folder.sae(saes.getFirst());
    throw new InputException(
        path,
        "is a run of " + saes.size() + " SAEs",
        "Name one of them: "
            + saes.stream()
                .map(entry -> path.resolve(entry.folder()).toString())
                .collect(Collectors.joining(", ")));
  }

  /** SHA-256 of each SAE's weights by its folder; empty where it has none. */
  public static Map<String, String> saes(RunFolder folder, RunFolder.Run trained) {
    Map<String, String> hashes = new LinkedHashMap<>();
    for (RunFolder.SaeEntry entry : trained.saes()) {
      Path weights = folder.sae(entry).resolve(SaeFiles.WEIGHTS);
      hashes.put(entry.folder(), Files.exists(weights) ? Hashes.sha256(weights) : "");
    }
    return hashes;
  }

  /**
   * Where a run's checkpoint is.
   *
   * @param given by the user, or null
   * @param option that it could be given with
   */
  public static Path checkpoint(
      Path run, RunFolder.Run trained, @Nullable Path given, String option) {
    if (given != null) return given;
    String remedy = "Give " + option + " PATH";
    if (!trained.knowsPlace()) {
      String model = trained.model().isEmpty() ? "its model" : "the path of " + trained.model();
      throw new InputException(
          run, "was trained from a store, " + model + " is not recorded", remedy);
    }
    try {
      Path path = Path.of(trained.model());
      if (Files.exists(path)) return path;
    } catch (InvalidPathException e) {
      // Written on another system: as good as absent.
    }
    throw new InputException(run, "its model is no longer at " + trained.model(), remedy);
  }
}
