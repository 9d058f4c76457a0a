// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.label;

import io.clipsteer.lab.label.PlanFolder;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** The folder of a human evaluation. */
final class StudyOption {
  @Option(
      names = "--labels",
      required = true,
      paramLabel = "DIR",
      description = "The --out of clipsteer labels plan, with the answers.")
  private Path labels;

  PlanFolder folder() {
    return new PlanFolder(labels);
  }
}
