// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.folder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A folder is there whole or not at all. */
final class NewFolderTest {
  @TempDir private Path temp;

  private List<String> left() throws IOException {
    try (var all = Files.list(temp)) {
      return all.map(path -> path.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void isThereWholeOrNotAtAll() throws IOException {
    Path out = temp.resolve("out");
    int given =
        NewFolder.write(
            out,
            folder -> {
              Files.writeString(folder.resolve("a"), "text");
              return 7;
            });
    assertEquals(7, given);
    assertEquals("text", Files.readString(out.resolve("a")));
    Path other = temp.resolve("other");
    assertThrows(
        InputException.class,
        () ->
            NewFolder.write(
                other,
                folder -> {
                  Files.writeString(folder.resolve("a"), "half");
                  throw new IOException("no room");
                }));
    assertEquals(List.of("out"), left());
    assertThrows(InputException.class, () -> NewFolder.write(out, folder -> 1));
    assertEquals("text", Files.readString(out.resolve("a")));
  }

  /** As a killed process leaves it: its number belongs to nobody any more. */
  @Test
  void takesAwayWhatADeadProcessLeft() throws IOException {
    Process dead = new ProcessBuilder("true").start();
    try {
      dead.waitFor();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    String name = ".out." + dead.pid() + ".partial";
    Files.writeString(Files.createDirectory(temp.resolve(name)).resolve("a"), "half");
    long alive = ProcessHandle.current().parent().orElseThrow().pid();
    Files.createDirectory(temp.resolve(".out." + alive + ".partial"));
    Files.createDirectory(temp.resolve(".other." + dead.pid() + ".partial"));
    NewFolder.write(temp.resolve("out"), folder -> 1);
    List<String> kept =
        List.of(".other." + dead.pid() + ".partial", ".out." + alive + ".partial", "out");
    assertEquals(kept, left());
  }

  @Test
  void deletes() throws IOException {
    Path folder = Files.createDirectories(temp.resolve("a/b"));
    Path kept = Files.writeString(temp.resolve("kept"), "text");
    Files.writeString(folder.resolve("c"), "text");
    Files.createSymbolicLink(folder.resolve("link"), kept);
    NewFolder.delete(temp.resolve("a"));
    assertFalse(Files.exists(temp.resolve("a")));
    assertTrue(Files.exists(kept), "what a link leads to stays");
    NewFolder.delete(temp.resolve("a"));
  }
}
