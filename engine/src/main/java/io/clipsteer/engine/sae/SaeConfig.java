// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * An SAE's configuration. Every look-up checks what it finds; an absent or null field gives the
 * fallback.
 *
 * @param node the object
 * @param where its file, for messages
 */
record SaeConfig(JsonNode node, Path where) {
  private static final long MAX_BYTES = 16L << 20;
  private static final int MAX_SIZE = 1 << 24;

  static SaeConfig read(Path file) {
    try {
      if (Files.size(file) > MAX_BYTES) {
        throw new InputException(file, "over 16 MiB is no configuration", "Name an SAE's folder");
      }
      return of(JsonMapper.shared().readTree(Files.readAllBytes(file)), file);
    } catch (JacksonException e) {
      throw new InputException(
          file, "cannot be read: " + Reasons.of(e), "Train or fetch the SAE again", e);
    } catch (IOException e) {
      throw new InputException(
          file, "cannot be read: " + Reasons.of(e), "Name a folder with " + file.getFileName(), e);
    }
  }

  /** From a line of JSON inside another file. */
  static SaeConfig parse(String text, Path where) {
    try {
      return of(JsonMapper.shared().readTree(text), where);
    } catch (JacksonException e) {
      throw new InputException(
          where, "its first line cannot be read: " + Reasons.of(e), "Fetch it again", e);
    }
  }

  private static SaeConfig of(@Nullable JsonNode node, Path where) {
    if (node == null || !node.isObject()) {
      throw new InputException(where, "not a JSON object", "Name an SAE's folder");
    }
    return new SaeConfig(node, where);
  }

  boolean has(String name) {
    return node.hasNonNull(name);
  }

  /** The object called {@code name}; an empty one when absent. */
  SaeConfig object(String name) {
    JsonNode child = node.path(name);
    if (child.isMissingNode() || child.isNull()) {
      return new SaeConfig(JsonMapper.shared().createObjectNode(), where);
    }
    if (!child.isObject()) throw wrong(name, "an object");
    return new SaeConfig(child, where);
  }

  /** A size: a whole number from 1 to 2^24. */
  int size(String name) {
    Integer value = sizeOrNull(name);
    if (value == null) throw wrong(name, "a positive whole number");
    return value;
  }

  @Nullable Integer sizeOrNull(String name) {
    JsonNode value = node.path(name);
    if (value.isMissingNode() || value.isNull()) return null;
    if (!value.isInt() || value.asInt() < 1 || value.asInt() > MAX_SIZE) {
      throw wrong(name, "a positive whole number");
    }
    return value.asInt();
  }

  String text(String name, String fallback) {
    String value = textOrNull(name);
    return value == null ? fallback : value;
  }

  @Nullable String textOrNull(String name) {
    JsonNode value = node.path(name);
    if (value.isMissingNode() || value.isNull()) return null;
    if (!value.isString()) throw wrong(name, "a text");
    return value.asString();
  }

  boolean flag(String name, boolean fallback) {
    JsonNode value = node.path(name);
    if (value.isMissingNode() || value.isNull()) return fallback;
    if (!value.isBoolean()) throw wrong(name, "true or false");
    return value.asBoolean();
  }

  /** Throws when the file says another size than its weights have. */
  void agree(String name, long size) {
    Integer told = sizeOrNull(name);
    if (told != null && told != size) {
      throw new InputException(
          where, name + " is " + told + ", but W_enc has " + size, "Restore the file");
    }
  }

  InputException wrong(String name, String expected) {
    return new InputException(
        where, name + " is " + node.path(name) + ", not " + expected, "Correct it");
  }

  /** Something this program does not compute. */
  InputException unknown(String what, String remedy) {
    return new InputException(where, what, remedy);
  }
}
