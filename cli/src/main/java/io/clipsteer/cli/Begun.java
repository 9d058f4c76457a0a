// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.data.AtomicFiles;
import io.clipsteer.data.InputException;
import io.clipsteer.data.NewFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The folder of a command of many steps, which goes on with what it was begun with. */
final class Begun {
  private Begun() {}

  /**
   * A new folder with a note of the settings, or one that was begun with the same settings.
   *
   * @param file the note's name
   * @param settings what all steps depend on
   * @return the folder
   * @throws InputException when it is not empty, or with {@code resume} not begun so
   */
  static Path folder(Path out, String file, Map<String, ?> settings, boolean resume) {
    if (!resume) {
      NewFolder.require(out);
      AtomicFiles.writeJson(out.resolve(file), settings);
      return out;
    }
    if (!Files.exists(out.resolve(file))) throw nothing(out, file);
    JsonNode begun;
    try {
      begun = JsonMapper.shared().readTree(Files.readAllBytes(out.resolve(file)));
    } catch (JacksonException | IOException e) {
      throw new InputException(
          out.resolve(file), "cannot be read", "Begin in a new folder, without --resume", e);
    }
    String wanted = JsonMapper.shared().writeValueAsString(settings);
    if (!begun.toString().equals(wanted)) {
      throw new InputException(
          out.resolve(file),
          "was begun with other settings: " + begun,
          "Go on with the same ones, or name a new folder");
    }
    return out;
  }

  /** Why a folder cannot be gone on with. */
  static InputException nothing(Path out, String file) {
    return new InputException(
        out, "holds nothing to go on with: no " + file, "Leave --resume out, or name its folder");
  }
}
