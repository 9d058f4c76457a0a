// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.data.table.TableRows;
import io.clipsteer.lab.evaluate.SparsityReport;
import io.clipsteer.lab.run.RunFolder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The page of {@code evaluate}: evaluation.json with charts and definitions. */
public final class EvaluationPage {
  /** Published figures for comparison. */
  public static final String PUBLISHED =
      "Published L0 a token: 20 to 50 for SAEs of GPT-2 small's residual stream, 300 to 700 for"
          + " those of CLIP ViT-B/32's patches (arXiv 2504.08729)";

  /**
   * The page's data.
   *
   * @param title of the page
   * @param run folder
   * @param evaluation as evaluation.json has it
   * @param published figures for comparison
   * @param recommended folders of the SAEs that training recommends
   */
  private record Data(
      String title,
      String run,
      Object evaluation,
      String published,
      List<String> recommended,
      Definitions definitions) {}

  private EvaluationPage() {}

  /** Refuses a run folder whose {@code evaluation.html} clipsteer did not write. */
  public static void checkWritable(RunFolder run) {
    Page.checkWritable(run.evaluationPage(), "Move it elsewhere");
  }

  /** Writes {@code evaluation.html}: whole or not at all, over an earlier one only. */
  public static void write(RunFolder run, SparsityReport report) {
    checkWritable(run);
    String name = run.path().toAbsolutePath().normalize().toString();
    String title =
        "Sparsity and reconstruction: run "
            + Page.tail(name)
            + ", model "
            + Page.tail(report.model());
    var data = new Data(title, name, report, PUBLISHED, recommended(run), Definitions.read());
    List<String> scripts = List.of("page.js", "charts.js", "saes.js", "evaluation.js");
    Page.write(run.evaluationPage(), Page.of(title, scripts, data));
  }

  /** The folders of the SAEs that pareto.csv recommends; none where there is no such file. */
  static List<String> recommended(RunFolder run) {
    Path table = run.pareto();
    List<String> folders = new ArrayList<>();
    if (!Files.isRegularFile(table)) return folders;
    try (TableRows rows = TableRows.open(table)) {
      int sae = rows.column("sae");
      int recommended = rows.column("recommended");
      for (List<String> row = rows.next(); row != null; row = rows.next()) {
        if (row.get(recommended).equals("true")) folders.add(RunFolder.saeFolder(row.get(sae)));
      }
    }
    return folders;
  }
}
