// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.JpegEncoder;
import io.clipsteer.data.image.RgbImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * The result of {@code study selectivity}, read from its folder.
 *
 * @param name of the folder
 * @param report selectivity.json
 * @param maps JPEGs in base 64, by the names that the report gives them: the first {@link
 *     #MOST_MAPS} that can be read
 * @param command that made it; null where the folder does not say
 */
record SelectivityResult(
    String name, JsonNode report, Map<String, String> maps, @Nullable String command) {
  private static final String FILE = "selectivity.json";

  /** About 1.5 MB in the page. */
  private static final int MOST_MAPS = 48;

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
    String line = command.isEmpty() ? null : Commands.line(command);
    return new SelectivityResult(name, report, maps(folder, report), line);
  }

  private static Map<String, String> maps(Path folder, JsonNode report) {
    Map<String, String> maps = new LinkedHashMap<>();
    for (JsonNode one : report.path("classes")) {
      String name = one.path("example").path("map").asString("");
      if (name.isEmpty() || maps.size() == MOST_MAPS) continue;
      try {
        if (!name.matches("maps/[-0-9A-Za-z_.]+")) {
          throw new InputException(folder, "its map " + name + " is no file of it", "Study again");
        }
        RgbImage map = ImageDecoder.decode(folder.resolve(name));
        maps.put(name, Base64.getEncoder().encodeToString(JpegEncoder.encode(map)));
      } catch (InputException e) {
        System.err.println("a map is not shown: " + e.getMessage());
      }
    }
    return maps;
  }
}
