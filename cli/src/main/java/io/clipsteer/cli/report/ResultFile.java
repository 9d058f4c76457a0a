// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.data.InputException;
import io.clipsteer.data.json.JsonFile;
import java.nio.file.Path;
import tools.jackson.databind.JsonNode;

/** The JSON file of an earlier command. */
final class ResultFile {
  private static final int PROTOCOL = 1;

  private ResultFile() {}

  /**
   * Reads it.
   *
   * @param list key of an array that such a file holds
   * @param remedy what to do when the file is missing, damaged, or of another kind
   */
  static JsonNode read(Path file, String list, String remedy) {
    JsonNode json = JsonFile.tree(file, remedy);
    if (!json.path(list).isArray() || json.path("protocol").asInt(0) != PROTOCOL) {
      throw new InputException(file, "is not of this version of clipsteer", remedy);
    }
    return json;
  }
}
