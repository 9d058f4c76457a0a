// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

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
 * A JSON object of a checkpoint's configuration. Every look-up checks kind and range, and says file
 * and field when they are wrong; an absent or null field gives the library's default.
 */
record JsonFields(JsonNode node, String where) {
  private static final long MAX_BYTES = 64L << 20;

  static JsonFields read(Path file) {
    try {
      if (Files.size(file) > MAX_BYTES) {
        throw new InputException(file, "over 64 MiB is no configuration", "Check the file");
      }
      JsonNode node = JsonMapper.shared().readTree(Files.readAllBytes(file));
      if (node == null || !node.isObject()) {
        throw new InputException(file, "not a JSON object", "Check the file");
      }
      return new JsonFields(node, file.toString());
    } catch (JacksonException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Fetch the file again", e);
    } catch (IOException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Check the path", e);
    }
  }

  boolean has(String name) {
    return node.hasNonNull(name);
  }

  /** The object called {@code name}; an empty one when absent, so that defaults apply. */
  JsonFields object(String name) {
    JsonNode child = node.get(name);
    String at = where + " " + name;
    if (child == null || child.isNull()) {
      return new JsonFields(JsonMapper.shared().createObjectNode(), at);
    }
    if (!child.isObject()) throw wrong(name, "an object");
    return new JsonFields(child, at);
  }

  int integer(String name, int fallback, int low, int high) {
    JsonNode child = node.get(name);
    if (child == null || child.isNull()) return fallback;
    if (!child.isIntegralNumber()
        || !child.canConvertToLong()
        || child.asLong() < low
        || child.asLong() > high) {
      throw wrong(name, "a whole number from " + low + " to " + high);
    }
    return child.asInt();
  }

  double number(String name, double fallback, double low, double high) {
    JsonNode child = node.get(name);
    if (child == null || child.isNull()) return fallback;
    if (!child.isNumber() || !(child.asDouble() >= low && child.asDouble() <= high)) {
      throw wrong(name, "a number from " + low + " to " + high);
    }
    return child.asDouble();
  }

  boolean flag(String name, boolean fallback) {
    JsonNode child = node.get(name);
    if (child == null || child.isNull()) return fallback;
    if (!child.isBoolean()) throw wrong(name, "true or false");
    return child.asBoolean();
  }

  @Nullable String text(String name) {
    JsonNode child = node.get(name);
    if (child == null || child.isNull()) return null;
    if (!child.isString()) throw wrong(name, "a text");
    return child.asString();
  }

  String text(String name, String fallback) {
    String text = text(name);
    return text == null ? fallback : text;
  }

  /** A side that may be written as one number or as two equal ones. */
  int side(String name, int fallback, int high) {
    JsonNode child = node.get(name);
    if (child != null && child.isArray()) {
      if (child.size() == 2 && child.get(0).equals(child.get(1)) && child.get(0).isInt()) {
        int side = child.get(0).asInt();
        if (side >= 1 && side <= high) return side;
      }
      throw wrong(name, "one number or two equal ones from 1 to " + high);
    }
    return integer(name, fallback, 1, high);
  }

  /** Refuses a setting that would change the computation in a way this program does not know. */
  void refuse(String name, boolean bad, String meaning) {
    if (bad) {
      throw new InputException(
          where,
          name + " is " + node.get(name) + ": " + meaning,
          "This architecture is not supported; use another checkpoint");
    }
  }

  private InputException wrong(String name, String expected) {
    return new InputException(
        where, name + " is " + node.get(name) + ", not " + expected, "Correct the configuration");
  }
}
