// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.lab.run.BlockFiles;
import picocli.CommandLine.Option;

/** {@code --resume} of a command that adds to a run, and keeps blocks until it ends. */
public final class ResumeOption {
  @Option(
      names = "--resume",
      description =
          "With --master: take the finished blocks of the same command, which was stopped.")
  private boolean resume;

  /** Deletes blocks of an earlier command, unless it is resumed. */
  public void start(BlockFiles files) {
    if (!resume) files.delete();
  }
}
