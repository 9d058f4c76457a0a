// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.RunManifest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * The result of {@code study selectivity}, read from its folder.
 *
 * @param name of the folder
 * @param report selectivity.json
 * @param command that made it; null where the folder does not say
 */
record SelectivityResult(String name, JsonNode report, @Nullable String command) {
  private static final String FILE = "selectivity.json";

  static SelectivityResult read(Path folder) {
    Path file = folder.resolve(FILE);
    if (!Files.isRegularFile(file)) {
      throw new InputException(
          folder, "holds no " + FILE, "Name what clipsteer study selectivity --out made");
    }
    JsonNode report = Report.result(file, "classes", 1, "Study again");
    RunManifest manifest = RunManifest.find(folder.resolve(RunManifest.FILE));
    List<String> command = manifest == null ? List.of() : manifest.command();
    String name = String.valueOf(folder.toAbsolutePath().normalize().getFileName());
    return new SelectivityResult(name, report, command.isEmpty() ? null : Commands.line(command));
  }
}
