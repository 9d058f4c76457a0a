// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A JSON object whose fields are checked as they are read; null counts as absent. */
record ConfigNode(JsonNode node, Object where) {
  /** Larger than any tower's input, small enough that a batch of them fits. */
  static final int MAX_SIZE = 8192;

  ConfigNode {
    if (!node.isObject()) throw bad(where, "it is not a JSON object");
  }

  static ConfigNode read(Path file) {
    try {
      return new ConfigNode(JsonMapper.shared().readTree(ImageDecoder.readAll(file)), file);
    } catch (JacksonException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Fetch the file again", e);
    }
  }

  private static InputException bad(Object where, String what) {
    return new InputException(where, what, "Correct the file, or fetch the model's own");
  }

  InputException bad(String what) {
    return bad(where, what);
  }

  @Nullable JsonNode get(String name) {
    JsonNode child = node.get(name);
    return child == null || child.isNull() ? null : child;
  }

  boolean flag(String name, boolean otherwise) {
    JsonNode child = get(name);
    if (child == null) return otherwise;
    if (!child.isBoolean()) throw bad(name + " is " + brief(child) + ", not true or false");
    return child.booleanValue();
  }

  String text(String name, String otherwise) {
    JsonNode child = get(name);
    if (child == null) return otherwise;
    if (!child.isString()) throw bad(name + " is " + brief(child) + ", not a text");
    return child.stringValue();
  }

  double number(String name, double otherwise, double above, double most) {
    JsonNode child = get(name);
    return child == null ? otherwise : number(child, name, above, most);
  }

  private double number(JsonNode child, String name, double above, double most) {
    if (!child.isNumber()) throw bad(name + " is " + brief(child) + ", not a number");
    double value = child.doubleValue();
    if (!(value > above && value <= most)) {
      throw bad(name + " is " + brief(child) + ", outside " + above + " to " + most);
    }
    return value;
  }

  int size(JsonNode child, String name) {
    if (!child.isNumber() || child.doubleValue() != Math.rint(child.doubleValue())) {
      throw bad(name + " is " + brief(child) + ", not a whole number");
    }
    return (int) number(child, name, 0, MAX_SIZE);
  }

  /** Three numbers; one alone stands for all three. */
  List<Double> triple(String name, List<Double> otherwise, double above) {
    JsonNode child = get(name);
    if (child == null) return otherwise;
    if (child.isNumber()) {
      double value = number(child, name, above, 1e6);
      return List.of(value, value, value);
    }
    if (!child.isArray() || (child.size() != 3 && child.size() != 1)) {
      throw bad(name + " is " + brief(child) + ", not three numbers");
    }
    List<Double> values = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      values.add(number(child.get(child.size() == 1 ? 0 : i), name, above, 1e6));
    }
    return values;
  }

  private static String brief(JsonNode value) {
    String text = value.isContainer() ? "a list or object" : value.toString();
    return text.length() > 40 ? text.substring(0, 40) + "..." : text;
  }
}
