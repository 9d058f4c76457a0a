// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.RunManifest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What {@code suppress} or {@code defend} did, as its folder holds it.
 *
 * @param name of the folder
 * @param json report.json
 * @param command that made it, or empty
 */
record Suppressed(String name, JsonNode json, List<String> command) {
  /** The report in an edit's folder. */
  static Suppressed read(Path folder) {
    Path file = folder.resolve("report.json");
    if (!Files.isRegularFile(file)) {
      throw new InputException(
          folder, "holds no report.json", "Name what clipsteer suppress --out made");
    }
    try {
      JsonNode json = JsonMapper.shared().readTree(Files.readAllBytes(file));
      if (json == null || !json.path("groups").isArray() || json.path("protocol").asInt(0) != 1) {
        throw new InputException(file, "is no suppression of this clipsteer's", "Suppress again");
      }
      RunManifest manifest = RunManifest.find(folder.resolve(RunManifest.FILE));
      List<String> command = manifest == null ? List.of() : manifest.command();
      String name = String.valueOf(folder.toAbsolutePath().normalize().getFileName());
      return new Suppressed(name, json, command);
    } catch (JacksonException e) {
      throw new InputException(file, Reasons.of(e), "Suppress again", e);
    } catch (IOException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Check its rights", e);
    }
  }

  /** The features that the edits take away, by SAE. */
  static Map<String, Set<Integer>> features(List<Suppressed> all) {
    Map<String, Set<Integer>> features = new LinkedHashMap<>();
    for (Suppressed one : all) {
      Set<Integer> ids =
          features.computeIfAbsent(one.json.path("sae").asString(""), sae -> new LinkedHashSet<>());
      for (JsonNode id : one.json.path("features")) ids.add(id.asInt(-1));
    }
    return features;
  }

  /** For the page. */
  Map<String, @Nullable Object> page() {
    Map<String, @Nullable Object> page = new LinkedHashMap<>();
    page.put("name", name);
    page.put("report", json);
    page.put("command", command.isEmpty() ? null : ShellLine.of(command));
    return page;
  }
}
