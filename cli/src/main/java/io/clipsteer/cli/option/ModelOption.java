// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/** {@code --model}, where a command cannot do without. */
public final class ModelOption {
  @Option(
      names = "--model",
      required = true,
      paramLabel = "PATH",
      description = "Checkpoint: a folder or a file.")
  private Path model;

  public Path path() {
    return model;
  }
}
