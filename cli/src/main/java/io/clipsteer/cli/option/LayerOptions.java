// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.lab.run.RunFolder;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which of a run's SAEs are used. */
public final class LayerOptions {
  @Option(
      names = "--layers",
      paramLabel = "LIST",
      description = "Layers, as 2,8 or 0-11 (default: all of the run).")
  private @Nullable String layers;

  /** As given, or null. */
  public @Nullable String layers() {
    return layers;
  }

  /** The run with the SAEs of these layers. */
  public RunFolder.Run chosen(RunFolder folder) {
    return Layers.chosen(folder.read(), layers);
  }
}
