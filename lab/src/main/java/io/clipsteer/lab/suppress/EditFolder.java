// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.lab.edit.StoredEdit;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * A suppression on disk: {@code progress/} (the answers of validation and test images so far;
 * deleted at the end), the texts of Defense-Prefix as a {@link TextLibrary} where it was learnt,
 * {@code edit.json} (the edit; none where no edit helped), and {@code report.json} (its effect),
 * which comes last.
 */
public final class EditFolder {
  /** What it did. */
  public static final String REPORT = "report.json";

  private static final String PROGRESS = "progress";

  /** Of a suppression. */
  public static final WorkFolder.FolderLayout LAYOUT =
      new WorkFolder.FolderLayout(REPORT, List.of(PROGRESS));

  private static final String PREFIXED = "defense-prefix";

  private EditFolder() {}

  /** Where an unfinished suppression keeps the answers of validation and test images. */
  public static Path progress(Path folder) {
    return folder.resolve(PROGRESS);
  }

  /**
   * Writes everything.
   *
   * @param run the training run's folder
   * @param modelHash SHA-256 of the model's weights
   */
  public static void write(Path folder, SuppressionReport report, Path run, String modelHash) {
    TextLibrary texts = report.prefixedTexts();
    if (texts != null) texts.write(folder.resolve(PREFIXED));
    SuppressionReport.Chosen chosen = report.chosen();
    if (chosen != null) write(folder, report, chosen, run, modelHash);
    AtomicFiles.writeJson(folder.resolve(REPORT), report.json());
  }

  private static void write(
      Path folder,
      SuppressionReport report,
      SuppressionReport.Chosen chosen,
      Path run,
      String modelHash) {
    Path sae = run.resolve(chosen.sae()).toAbsolutePath().normalize();
    Path weights = sae.resolve(SaeFiles.WEIGHTS);
    SuppressionSettings settings = report.settings();
    new StoredEdit(
            Path.of(report.model()),
            modelHash,
            sae,
            Files.isRegularFile(weights) ? Hashes.sha256(weights) : "",
            HookPoint.parse(chosen.hookPoint()),
            TokenSelection.parse(chosen.tokens()),
            new StoredEdit.FeatureIds(chosen.features()),
            chosen.rule())
        .write(
            folder,
            new StoredEdit.Found(
                settings.change().toString(),
                settings.select().toString(),
                report.study().source()));
  }
}
