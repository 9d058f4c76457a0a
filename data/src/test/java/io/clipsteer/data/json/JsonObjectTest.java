// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

final class JsonObjectTest {
  private static JsonObject parse(String text) {
    return JsonObject.parse(text, "config.json");
  }

  private static void refused(Executable body, String... parts) {
    String message = assertThrows(InputException.class, body).getMessage() + "";
    for (String part : parts) assertTrue(message.contains(part), message);
  }

  @Test
  void absentGivesTheDefaultAndNullDoesNot() {
    JsonObject config = parse("{\"a\": null, \"b\": null}").nullMeansAbsent("b");
    assertEquals(7, config.integer("c", 7, 1, 10));
    assertEquals(7, config.integer("b", 7, 1, 10));
    refused(() -> config.integer("a", 7, 1, 10), "config.json", "a is null");
    refused(() -> config.textOrNull("a"), "a is null");
    refused(() -> config.object("a"), "a is null");
  }

  @Test
  void everyKindIsChecked() {
    JsonObject config = parse("{\"n\": 3.5, \"t\": \"x\", \"b\": 1, \"l\": [1, 2], \"i\": 1e3}");
    refused(() -> config.integer("n", 0, 0, 9), "n is 3.5", "whole number from 0 to 9");
    refused(() -> config.number("t", 0, 0, 9), "t is \"x\"");
    refused(() -> config.flag("b", true), "b is 1", "true or false");
    refused(() -> config.text("n", ""), "not a text");
    refused(() -> config.side("l", 1, 9), "two equal ones");
    refused(() -> config.triple("l", List.of(), 0, 9), "three numbers");
    refused(() -> config.number("n", 0, 0, 3), "from 0.0 to 3.0");
    refused(() -> config.object("t"), "an object");
    for (String endless : List.of("NaN", "Infinity", "-Infinity", "1e999")) {
      refused(() -> parse("{\"x\": " + endless + "}").number("x", 0, -1e300, 1e300), "x is");
    }
  }

  @Test
  void whatNobodyReadIsRefusedByName() {
    JsonObject config = parse("{\"known\": 1, \"harmless\": 2, \"odd\": {\"x\": 1}}");
    config.integer("known", 0, 0, 9);
    refused(() -> config.refuseUnread(Set.of("harmless")), "the field odd", "{\"x\":1}");
    config.refuseUnread(Set.of("harmless", "odd"));
    JsonObject inner = parse("{\"vision\": {\"width\": 3, \"act\": \"tanh\"}}");
    JsonObject vision = inner.object("vision");
    vision.integer("width", 0, 0, 9);
    refused(() -> vision.refuseUnread(Set.of()), "config.json vision", "act");
    // A reader that forgets an inner object is a defect of the program, and is found by any file.
    assertThrows(IllegalStateException.class, () -> inner.refuseUnread(Set.of()));
  }

  @Test
  void filesThatAreNoObjectAreNamed(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("config.json");
    for (String text : List.of("", "[]", "null", "7", "{", "{\"a\": 1, \"a\": 2}", "{}x")) {
      Files.writeString(file, text);
      refused(() -> JsonObject.read(file), "config.json");
    }
    refused(() -> JsonObject.read(folder.resolve("absent.json")), "no such file");
    // A byte order mark, as editors on Windows write it.
    Files.write(file, "\uFEFF{\"a\": 1}".getBytes(StandardCharsets.UTF_8));
    assertEquals(1, JsonObject.read(file).integer("a", 0, 0, 9));
  }
}
