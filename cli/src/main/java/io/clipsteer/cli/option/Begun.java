// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.NewFolder;
import io.clipsteer.data.json.JsonFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.stream.Collectors;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/** The folder of a command of many steps, which goes on with what it was begun with. */
public final class Begun {
  /** Characters of a setting in a message: hashes of weights say nothing to a reader. */
  private static final int MOST_SHOWN = 120;

  private Begun() {}

  /**
   * A new folder with a note of the settings, or one that was begun with the same settings.
   *
   * @param file the note's name
   * @param settings what all steps depend on
   * @return the folder
   * @throws InputException when it is not empty, or with {@code resume} not begun so
   */
  public static Path folder(Path out, String file, Object settings, boolean resume) {
    if (!resume) {
      NewFolder.require(out);
      AtomicFiles.writeJson(out.resolve(file), settings);
      return out;
    }
    if (!Files.exists(out.resolve(file))) throw nothing(out, file);
    JsonNode begun;
    try {
      begun = JsonFile.MAPPER.readTree(Files.readAllBytes(out.resolve(file)));
    } catch (JacksonException | IOException e) {
      throw new InputException(
          out.resolve(file), "cannot be read", "Begin in a new folder, without --resume", e);
    }
    // Through text: a number that was read is of another class than one that was not.
    JsonNode wanted = JsonFile.MAPPER.readTree(JsonFile.MAPPER.writeValueAsString(settings));
    if (!begun.equals(wanted)) {
      throw new InputException(
          out.resolve(file),
          "was begun with other settings: " + difference(begun, wanted),
          "Go on with the same ones, or name a new folder");
    }
    return out;
  }

  /** What was and what is, of each setting that is another. */
  private static String difference(JsonNode begun, JsonNode wanted) {
    Set<String> names = new LinkedHashSet<>(begun.propertyNames());
    names.addAll(wanted.propertyNames());
    return names.stream()
        .filter(name -> !begun.path(name).equals(wanted.path(name)))
        .map(name -> name + " was " + shown(begun.path(name)) + ", now " + shown(wanted.path(name)))
        .collect(Collectors.joining("; "));
  }

  private static String shown(JsonNode value) {
    String text = value.isMissingNode() || value.isNull() ? "not given" : value.toString();
    return text.length() > MOST_SHOWN ? "another" : text;
  }

  /** Why a folder cannot be gone on with. */
  public static InputException nothing(Path out, String file) {
    return new InputException(
        out, "holds nothing to go on with: no " + file, "Leave --resume out, or name its folder");
  }
}
