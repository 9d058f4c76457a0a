// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.label;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.lab.label.AnswerTable;
import io.clipsteer.lab.run.Counted;
import java.nio.file.Path;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code labels import}: answers that were collected elsewhere. */
@Command(
    name = "import",
    description = {
      "Take answers of new annotators from a CSV, as labels export writes it.",
      "Columns: annotator, trial and what the trial asks: choice, ideas, idea, picked (numbers from"
          + " 0 with blanks between them, - for none); confidence, milliseconds, heat_maps and time"
          + " may be missing."
    },
    footer = "Example: clipsteer labels import --labels study --csv crowd.csv")
final class ImportAnswersCommand implements Runnable {
  @Mixin private CommonOptions common;
  @Mixin private StudyOption study;

  @Option(names = "--csv", required = true, paramLabel = "FILE", description = "The answers.")
  private Path csv;

  @Override
  public void run() {
    common.applyOnCpu();
    Map<String, Integer> counts = AnswerTable.read(study.folder(), csv);
    Lines text = new Lines();
    counts.forEach((annotator, n) -> text.add("%s: %s%n", annotator, Counted.of(n, "answer")));
    common.print(Map.of("answers", counts), text.toString().stripTrailing());
  }
}
