// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.ProxyTable;
import io.clipsteer.lab.label.LabelReport;
import io.clipsteer.lab.label.PlanFolder;
import io.clipsteer.lab.run.RunFolder;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The page of {@code labels report}, and what {@code report} shows of a human evaluation. */
public final class LabelsPage {
  /**
   * A human evaluation.
   *
   * @param name of its folder
   * @param command that made the plan; null where the folder does not say
   */
  public record LabelsResult(String name, LabelReport report, @Nullable String command) {}

  private record Data(String title, LabelsResult result, Definitions definitions) {}

  private LabelsPage() {}

  /**
   * Reads a plan and its answers. Machines that answered in the place of people are among the
   * scores, where the plan's run is here and has them.
   */
  public static LabelsResult read(PlanFolder folder) {
    Path run = Path.of(folder.plan().run());
    LabelReport report =
        LabelReport.of(folder, ProxyTable.scores(IndexFolder.of(new RunFolder(run))));
    RunManifest manifest = RunManifest.find(folder.path().resolve(RunManifest.FILE));
    List<String> command = manifest == null ? List.of() : manifest.command();
    String name = String.valueOf(folder.path().toAbsolutePath().normalize().getFileName());
    return new LabelsResult(name, report, command.isEmpty() ? null : Commands.line(command));
  }

  /** Refuses a path for the page where something else lies. */
  public static void checkWritable(Path out) {
    Page.checkWritable(out, "Name another file with --out");
  }

  /** Writes the page: whole or not at all, over an earlier one only. */
  public static void write(Path out, LabelsResult result) {
    checkWritable(out);
    String title = "Human evaluation of " + Page.tail(result.report().plan().run());
    List<String> scripts = List.of("page.js", "charts.js", "people.js", "labels.js");
    Page.write(out, Page.of(title, scripts, new Data(title, result, Definitions.read())));
  }
}
