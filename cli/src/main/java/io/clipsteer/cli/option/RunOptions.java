// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.lab.run.RunFolder;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** A training run, and the model it was trained on. */
public final class RunOptions {
  @Option(names = "--run", required = true, paramLabel = "RUN", description = "A training run.")
  private Path run;

  @Option(
      names = "--model",
      paramLabel = "PATH",
      description = "The checkpoint, when it is no longer where the run was trained.")
  private @Nullable Path model;

  @Option(
      names = "--dtype",
      defaultValue = "fp32",
      description = "The tower's: fp32 or bf16 (default: ${DEFAULT-VALUE}).")
  private String dtype;

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
    return ClipModel.load(checkpoint(trained), CommonOptions.dtype("--dtype", dtype), device);
  }

  private Path checkpoint(RunFolder.Run trained) {
    return checkpoint(run, trained, model, "--model");
  }

  /** SHA-256 of the model's weights, and of each SAE's by its folder; empty where it has none. */
  public static Map<String, String> hashes(
      RunFolder folder, RunFolder.Run trained, ClipModel model) {
    Map<String, String> hashes = saes(folder, trained);
    hashes.put("model", Hashes.sha256(model.source().weights()));
    return hashes;
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
      String model = trained.model().isEmpty() ? "its model" : "the place of " + trained.model();
      throw new InputException(run, "was trained from a store, " + model + " is not noted", remedy);
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
