// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.InputException;
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

  /**
   * Refuses a process of a cluster that sees other inputs than the process which opened the folder.
   *
   * @param own manifest of the same work by what this process sees
   */
  public void requireSame(RunManifest own) {
    if (RunManifest.read(out).fingerprint().equals(own.fingerprint())) return;
    throw new InputException(
        out,
        "its command read other files than are here",
        "Let every machine see the same files under the same paths");
  }
}
