// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.lab.run.Versions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A suppression on disk: {@code progress/} (answers of validation and test images so far, until it
 * is finished), where Defense-Prefix was learnt its texts as a {@link TextLibrary}, {@code
 * edit.json} (what to change; none where nothing helped) and {@code report.json} (what it did),
 * which is written last.
 */
public final class EditFolder {
  /** The edit. */
  public static final String EDIT = "edit.json";

  /** What it did. */
  public static final String REPORT = "report.json";

  private static final String PROGRESS = "progress";

  /** Of a suppression. */
  public static final WorkFolder.Layout LAYOUT = new WorkFolder.Layout(REPORT, List.of(PROGRESS));

  private static final String PREFIXED = "defense-prefix";

  private EditFolder() {}

  /** Where an unfinished suppression notes the answers of validation and test images. */
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
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("protocol", chosen.cap() ? StoredEdit.CAPPED : StoredEdit.FIXED);
    json.put("clipsteer", Versions.CLIPSTEER);
    json.put("model", report.model());
    json.put("model_sha256", modelHash);
    json.put("sae", sae.toString());
    json.put("sae_sha256", Files.isRegularFile(weights) ? Hashes.sha256(weights) : null);
    json.put("hook_point", chosen.hookPoint());
    json.put("tokens", chosen.tokens());
    json.put("edit", report.settings().change().word());
    List<Map<String, Object>> features = new ArrayList<>();
    for (int i = 0; i < chosen.features().length; i++) {
      Map<String, Object> feature = new LinkedHashMap<>();
      feature.put("id", chosen.features()[i]);
      feature.put("value", chosen.values()[i]);
      features.add(feature);
    }
    json.put("features", features);
    json.put("select", report.settings().select().word());
    json.put("data", report.study().source());
    AtomicFiles.writeJson(folder.resolve(EDIT), json);
  }
}
