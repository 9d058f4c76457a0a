// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** {@code --out} and {@code --resume}, of every command that can be stopped and resumed. */
public final class FolderOptions {
  @Option(
      names = "--out",
      required = true,
      paramLabel = "DIR",
      description = "New folder for the results; with --resume, the folder of a stopped command.")
  private Path out;

  @Option(
      names = "--resume",
      description = "Resume the stopped command in --out; the results are the same, but for times.")
  private boolean resume;

  /** The folder that the command writes. */
  public Path out() {
    return out;
  }

  /** Whether a stopped command is resumed there. */
  public boolean resume() {
    return resume;
  }

  /** Refuses a folder that cannot be opened, before long preparations. */
  public void check(WorkFolder.FolderLayout layout) {
    WorkFolder.check(out, layout, resume);
  }

  /** Opens the folder for the command's work. */
  public WorkFolder open(WorkFolder.FolderLayout layout, RunManifest manifest) {
    return WorkFolder.open(out, layout, resume, manifest);
  }
}
