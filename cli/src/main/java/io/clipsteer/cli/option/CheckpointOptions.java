// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.engine.Device;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.lab.run.RunFolder;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The model that a run was trained on. */
public final class CheckpointOptions {
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

  /** A run's checkpoint, loaded; the caller closes it. */
  public ClipModel load(Path run, RunFolder.Run trained, Device device) {
    Path checkpoint = RunOptions.checkpoint(run, trained, model, "--model");
    return ClipModel.load(checkpoint, CommonOptions.dtype("--dtype", dtype), device);
  }
}
