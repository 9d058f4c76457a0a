// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.lab.suppress.EditFolder;
import io.clipsteer.lab.suppress.SuppressionJson;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * The result of {@code suppress} or {@code defend}, read from its folder.
 *
 * @param name of the folder
 * @param report report.json
 * @param command that made it; null where the folder does not say
 */
record SuppressionResult(String name, JsonNode report, @Nullable String command) {
  /** Reads the report in an edit's folder. */
  static SuppressionResult read(Path folder) {
    Path file = folder.resolve(EditFolder.REPORT);
    if (!Files.isRegularFile(file)) {
      throw new InputException(
          folder, "holds no report.json", "Name what clipsteer suppress --out made");
    }
    JsonNode report = Report.result(file, "tried", SuppressionJson.PROTOCOL, "Suppress again");
    RunManifest manifest = RunManifest.find(folder.resolve(RunManifest.FILE));
    List<String> command = manifest == null ? List.of() : manifest.command();
    String name = String.valueOf(folder.toAbsolutePath().normalize().getFileName());
    return new SuppressionResult(name, report, command.isEmpty() ? null : Commands.line(command));
  }

  /** The features that the edits change, by SAE. */
  static Map<String, Set<Integer>> features(List<SuppressionResult> all) {
    Map<String, Set<Integer>> features = new LinkedHashMap<>();
    for (SuppressionResult one : all) {
      String sae = one.report.path("sae").asString("");
      Set<Integer> ids = features.computeIfAbsent(sae, s -> new LinkedHashSet<>());
      for (JsonNode id : one.report.path("features")) ids.add(id.asInt(-1));
    }
    return features;
  }
}
