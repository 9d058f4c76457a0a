// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.label;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.lab.label.AnswerTable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code labels export}: answers as CSV. */
@Command(
    name = "export",
    description = "Write all answers of a human evaluation as CSV.",
    footer = "Example: clipsteer labels export --labels study --out answers.csv")
final class ExportAnswersCommand implements Runnable {
  @Mixin private CommonOptions common;
  @Mixin private StudyOption study;

  @Option(names = "--out", required = true, paramLabel = "FILE", description = "New file, .csv.")
  private Path out;

  @Override
  public void run() {
    common.applyOnCpu();
    if (Files.exists(out)) throw new InputException(out, "exists", "Name a new file with --out");
    AtomicFiles.writeText(out, AnswerTable.csv(study.folder()));
    common.print(Map.of("out", out.toString()), Lines.of("answers: %s", out));
  }
}
