// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.json;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/**
 * The JSON of clipsteer's own files and of {@code --json}: records, written by one mapper with
 * snake_case keys. Files of other programs are read through {@link JsonObject}.
 */
public final class JsonFile {
  /**
   * A record's component {@code hookPoint} is the key {@code hook_point}; a key twice is refused.
   */
  public static final JsonMapper MAPPER =
      JsonMapper.builder()
          .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
          .build();

  private static final JsonMapper INDENTED =
      MAPPER.rebuild().enable(SerializationFeature.INDENT_OUTPUT).build();

  private static final long MAX_BYTES = 256 << 20;

  private JsonFile() {}

  /** A value as one line without a line end. */
  public static String line(Object value) {
    return MAPPER.writeValueAsString(value);
  }

  /** A value as indented text without a line end. */
  public static String indented(Object value) {
    return INDENTED.writeValueAsString(value);
  }

  /**
   * Reads a file as a value.
   *
   * @param remedy what to do when the file is missing or damaged
   * @throws InputException when the file is missing, larger than 256 MiB, no JSON, or lacks a key
   */
  public static <T> T read(Path file, Class<T> type, String remedy) {
    try {
      T value = MAPPER.readValue(bytes(file, remedy), type);
      if (value == null) throw new InputException(file, "holds no JSON object", remedy);
      return value;
    } catch (JacksonException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), remedy, e);
    }
  }

  /** Reads a file as a tree; the errors of {@link #read}. */
  public static JsonNode tree(Path file, String remedy) {
    try {
      return MAPPER.readTree(bytes(file, remedy));
    } catch (JacksonException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), remedy, e);
    }
  }

  private static byte[] bytes(Path file, String remedy) {
    try {
      if (!Files.isRegularFile(file)) throw new InputException(file, "does not exist", remedy);
      if (Files.size(file) > MAX_BYTES) throw new InputException(file, "is too large", remedy);
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), remedy, e);
    }
  }
}
