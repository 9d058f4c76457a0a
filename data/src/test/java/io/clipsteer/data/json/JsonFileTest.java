// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class JsonFileTest {
  @TempDir private Path temp;

  private record Point(String hookPoint, double explainedVariance, List<Integer> l0) {}

  @Test
  void recordsAreSnakeCaseAndComeBack() throws IOException {
    Path file = temp.resolve("a.json");
    Point point = new Point("blocks.7.hook_resid_post", 0.1 + 0.2, List.of(1, 2));
    AtomicFiles.writeJson(file, point);
    assertEquals(
        "{\"hook_point\":\"blocks.7.hook_resid_post\",\"explained_variance\":0.30000000000000004,"
            + "\"l0\":[1,2]}",
        JsonFile.line(point));
    assertEquals(point, JsonFile.read(file, Point.class, "Train again"));
    assertEquals(2, JsonFile.tree(file, "Train again").path("l0").size());
    assertTrue(Files.readString(file).endsWith("}\n"));
  }

  @Test
  void everyFaultIsOneLineWithTheRemedy() throws IOException {
    refused(temp.resolve("none.json"), "does not exist");
    refused(Files.writeString(temp.resolve("torn.json"), "{\"hook_point\":"), "cannot be read");
    refused(Files.writeString(temp.resolve("null.json"), "null"), "no JSON object");
    refused(Files.writeString(temp.resolve("less.json"), "{\"l0\":[1]}"), "cannot be read");
    refused(
        Files.writeString(
            temp.resolve("twice.json"),
            "{\"hook_point\":\"a\",\"hook_point\":\"b\",\"explained_variance\":1,\"l0\":[]}"),
        "cannot be read");
    refused(temp, "does not exist");
  }

  private static void refused(Path file, String what) {
    String message =
        String.valueOf(
            assertThrows(
                    InputException.class, () -> JsonFile.read(file, Point.class, "Train again"))
                .getMessage());
    assertTrue(message.contains(what), message);
    assertTrue(message.contains("Train again"), message);
    assertEquals(1, message.lines().count(), message);
  }
}
