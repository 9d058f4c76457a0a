// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.json;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonReadFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A configuration written by another library. Every look-up checks kind and range and notes the
 * field as read; {@link #refuseUnread} then refuses by name what nobody read, unless it is known
 * not to change the output. An absent field gives the library's default; a field that is {@code
 * null} is refused, unless {@link #nullMeansAbsent} says that the library takes null for its
 * default.
 */
public final class JsonObject {
  /** No configuration is larger. */
  private static final long MAX_BYTES = 64L << 20;

  private static final JsonMapper MAPPER =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          // Python writes NaN and Infinity; the range checks then name the field.
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
          .build();

  /** How the library says that a key is there twice. */
  private static final Pattern TWICE = Pattern.compile("Duplicate [^\"']*[\"']([^\"']*)[\"']");

  private final JsonNode node;
  private final Object where;
  private final Set<String> read = new TreeSet<>();
  private final Map<String, JsonObject> children = new LinkedHashMap<>();
  private final Set<String> nulls = new TreeSet<>();
  private boolean closed;

  private JsonObject(JsonNode node, Object where) {
    this.node = node;
    this.where = where;
  }

  /**
   * Reads a file.
   *
   * @throws InputException when it is absent, larger than 64 MiB, no JSON object, or has a key
   *     twice
   */
  public static JsonObject read(Path file) {
    try {
      if (Files.size(file) > MAX_BYTES) {
        throw new InputException(file, "over 64 MiB is no configuration", "Check the file");
      }
      return of(MAPPER.readTree(Files.readAllBytes(file)), file);
    } catch (JacksonException e) {
      throw unreadable(file, e);
    } catch (IOException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Check the path", e);
    }
  }

  /** Reads JSON that is part of another file. */
  public static JsonObject parse(String text, Object where) {
    try {
      return of(MAPPER.readTree(text), where);
    } catch (JacksonException e) {
      throw unreadable(where, e);
    }
  }

  private static InputException unreadable(Object where, JacksonException e) {
    var twice = TWICE.matcher(String.valueOf(e.getOriginalMessage()));
    if (twice.find()) {
      return new InputException(
          where, "it has the key " + twice.group(1) + " twice", "Delete one of the two", e);
    }
    return new InputException(
        where, "its JSON cannot be read: " + Reasons.of(e), "Fetch the file again", e);
  }

  /** Names of fields, separated by white space; each at most once. */
  public static Set<String> fields(String... names) {
    return Set.of(String.join(" ", names).strip().split("\\s+"));
  }

  /**
   * A node that is at hand.
   *
   * @throws InputException when it is no object
   */
  public static JsonObject of(@Nullable JsonNode node, Object where) {
    if (node == null || !node.isObject()) {
      throw new InputException(where, "it is not a JSON object", "Fetch the file again");
    }
    return new JsonObject(node, where);
  }

  /** The file, and the path of objects in it, for messages. */
  public Object where() {
    return where;
  }

  /** Names the fields whose null is, for the library that wrote them, the same as their absence. */
  public JsonObject nullMeansAbsent(String... names) {
    nulls.addAll(List.of(names));
    return this;
  }

  /** Whether there is such a field that is not null. Does not read it. */
  public boolean has(String name) {
    return node.hasNonNull(name);
  }

  /** Whether there is such a field, null or not. Does not read it. */
  public boolean names(String name) {
    return node.has(name);
  }

  /** The names of all fields. */
  public Set<String> names() {
    Set<String> names = new TreeSet<>();
    node.properties().forEach(property -> names.add(property.getKey()));
    return names;
  }

  /** The field as it is; null when absent, or null where null means absent. */
  public @Nullable JsonNode get(String name) {
    read.add(name);
    JsonNode child = node.get(name);
    if (child == null) return null;
    if (!child.isNull()) return child;
    if (nulls.contains(name)) return null;
    throw new InputException(
        where,
        name + " is null, which has no meaning there",
        "Write its value, or delete the line for the default");
  }

  /** The object of that name; an empty one when absent, so that defaults apply. */
  public JsonObject object(String name) {
    JsonObject known = children.get(name);
    if (known != null) return known;
    JsonNode child = get(name);
    if (child != null && !child.isObject()) throw wrong(name, "an object");
    var object =
        new JsonObject(child == null ? MAPPER.createObjectNode() : child, where + " " + name);
    children.put(name, object);
    return object;
  }

  /** A whole number. */
  public int integer(String name, int absent, int low, int high) {
    Integer value = integerOrNull(name, low, high);
    return value == null ? absent : value;
  }

  /** A whole number; null when absent. */
  public @Nullable Integer integerOrNull(String name, int low, int high) {
    JsonNode child = get(name);
    if (child == null) return null;
    if (!isInteger(child, low, high)) throw wrong(name, wholeNumber(low, high));
    return child.asInt();
  }

  /**
   * A part of a field's value that must be a whole number.
   *
   * @param name the field, for messages
   */
  public int whole(String name, JsonNode part, int low, int high) {
    if (!isInteger(part, low, high)) throw wrong(name, wholeNumber(low, high));
    return part.asInt();
  }

  private static boolean isInteger(JsonNode value, int low, int high) {
    return value.isIntegralNumber()
        && value.canConvertToLong()
        && value.asLong() >= low
        && value.asLong() <= high;
  }

  private static String wholeNumber(int low, int high) {
    return "a whole number from " + low + " to " + high;
  }

  /** A finite number. */
  public double number(String name, double absent, double low, double high) {
    JsonNode child = get(name);
    return child == null ? absent : number(name, child, low, high);
  }

  private double number(String name, JsonNode child, double low, double high) {
    if (!child.isNumber() || !(child.asDouble() >= low && child.asDouble() <= high)) {
      throw wrong(name, "a number from " + low + " to " + high);
    }
    return child.asDouble();
  }

  /**
   * Three numbers; one alone, also in a list, stands for all three.
   *
   * @param low least value, included
   */
  public List<Double> triple(String name, List<Double> absent, double low, double high) {
    JsonNode child = get(name);
    if (child == null) return absent;
    if (child.isNumber()) {
      double value = number(name, child, low, high);
      return List.of(value, value, value);
    }
    if (!child.isArray() || child.size() != 3 && child.size() != 1) {
      throw wrong(name, "three numbers");
    }
    List<Double> values = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      values.add(number(name, child.get(child.size() == 1 ? 0 : i), low, high));
    }
    return values;
  }

  /** True or false. */
  public boolean flag(String name, boolean absent) {
    JsonNode child = get(name);
    if (child == null) return absent;
    if (!child.isBoolean()) throw wrong(name, "true or false");
    return child.asBoolean();
  }

  /** A text. */
  public String text(String name, String absent) {
    String text = textOrNull(name);
    return text == null ? absent : text;
  }

  /** A text; null when absent. */
  public @Nullable String textOrNull(String name) {
    JsonNode child = get(name);
    if (child == null) return null;
    if (!child.isString()) throw wrong(name, "a text");
    return child.asString();
  }

  /** A text that is reported and not computed with; null when absent, null or of another kind. */
  public @Nullable String toldText(String name) {
    read.add(name);
    JsonNode child = node.get(name);
    return child != null && child.isString() ? child.asString() : null;
  }

  /**
   * A finite number that is reported and not computed with; null when absent or of another kind.
   */
  public @Nullable Double toldNumber(String name) {
    read.add(name);
    JsonNode child = node.get(name);
    boolean number = child != null && child.isNumber() && Double.isFinite(child.asDouble());
    return number ? (Double) child.asDouble() : null;
  }

  /** A side, written as one number or as two equal ones. */
  public int side(String name, int absent, int high) {
    JsonNode child = get(name);
    if (child == null) return absent;
    JsonNode one = child;
    if (child.isArray() && child.size() == 2 && child.get(0).equals(child.get(1))) {
      one = child.get(0);
    }
    if (!isInteger(one, 1, high)) {
      throw wrong(name, "one number or two equal ones from 1 to " + high);
    }
    return one.asInt();
  }

  /** Refuses a setting that would change the computation in a way this program does not know. */
  public void refuse(String name, boolean bad, String meaning) {
    if (bad) {
      throw new InputException(
          where,
          name + " is " + brief(node.get(name)) + ": " + meaning,
          "This is not supported; use another checkpoint");
    }
  }

  /**
   * Closes the account of this object: every field was read, or is one of those that cannot change
   * what is computed. Objects in it that were read must have been closed before.
   *
   * @param harmless names of fields that cannot change the output
   * @throws InputException naming the first field that nobody read
   */
  public void refuseUnread(Set<String> harmless) {
    for (var child : children.entrySet()) {
      if (!child.getValue().closed) {
        throw new IllegalStateException("unread fields of " + child.getKey() + " not checked");
      }
    }
    for (String name : names()) {
      if (read.contains(name) || harmless.contains(name)) continue;
      throw new InputException(
          where,
          "the field " + name + " (" + brief(node.get(name)) + ") is not known here",
          "It may change the output: delete it if it does not, or use another checkpoint");
    }
    closed = true;
  }

  /** A value of the wrong kind or out of range. */
  public InputException wrong(String name, String expected) {
    return new InputException(
        where, name + " is " + brief(node.get(name)) + ", not " + expected, "Correct the file");
  }

  /** A fault of the whole object. */
  public InputException bad(String what, String remedy) {
    return new InputException(where, what, remedy);
  }

  private static String brief(@Nullable JsonNode value) {
    if (value == null) return "absent";
    String text = value.toString();
    return text.length() > 60 ? text.substring(0, 60) + "…" : text;
  }
}
