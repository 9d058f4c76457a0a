// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.folder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFilesTest {
  @TempDir Path folder;

  @Test
  void replacesTheOldFileAndLeavesNothingBeside() throws IOException {
    Path file = folder.resolve("new/folder/a.txt");
    AtomicFiles.writeText(file, "old");
    AtomicFiles.writeStream(file, out -> out.write("new".getBytes(StandardCharsets.UTF_8)));
    assertEquals("new", Files.readString(file));
    AtomicFiles.writeJson(file, Map.of("a", 1));
    assertEquals("{\n  \"a\" : 1\n}\n", Files.readString(file).replace("\r", ""));
    assertOnly(file);
  }

  @Test
  void keepsTheOldFileWhenWritingFails() throws IOException {
    Path file = folder.resolve("a.txt");
    AtomicFiles.writeText(file, "old");
    var error =
        assertThrows(
            InputException.class,
            () ->
                AtomicFiles.write(
                    file,
                    channel -> {
                      AtomicFiles.writeFully(channel, ByteBuffer.allocate(10));
                      throw new IOException("disk full");
                    }));
    assertTrue(error.toString().contains("disk full"), error::toString);
    assertThrows(
        IllegalStateException.class,
        () ->
            AtomicFiles.writeStream(
                file,
                out -> {
                  throw new IllegalStateException();
                }));
    assertEquals("old", Files.readString(file));
    assertOnly(file);
  }

  @Test
  void sweepsWhatKilledWritersLeft() throws IOException {
    Path kept = Files.createDirectories(folder.resolve("saes/one"));
    AtomicFiles.writeText(kept.resolve("cfg.json"), "1");
    Files.writeString(folder.resolve(".store.json.17-3"), "{");
    Files.writeString(kept.resolve(".cfg.json.4711-12"), "{");
    List<Path> others =
        List.of(folder.resolve(".hidden"), folder.resolve(".a.1-b"), folder.resolve("a.1-2"));
    for (Path other : others) Files.writeString(other, "mine");
    AtomicFiles.sweep(folder);
    AtomicFiles.sweep(folder.resolve("absent"));
    for (Path other : others) assertTrue(Files.exists(other), other::toString);
    assertTrue(Files.notExists(folder.resolve(".store.json.17-3")));
    assertOnly(kept.resolve("cfg.json"));
  }

  @Test
  void refusesAFolderAsTarget() throws IOException {
    Path target = folder.resolve("a");
    Files.createDirectories(target.resolve("b"));
    assertThrows(InputException.class, () -> AtomicFiles.writeText(target, "x"));
    assertOnly(target);
  }

  private static void assertOnly(Path file) throws IOException {
    try (var beside = Files.list(file.resolveSibling(""))) {
      assertEquals(List.of(file), beside.toList());
    }
  }

  @Test
  void hashesAlike() {
    byte[] abc = "abc".getBytes(StandardCharsets.UTF_8);
    String known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    Path file = folder.resolve("abc");
    AtomicFiles.write(file, abc);
    assertEquals(known, Hashes.sha256(abc));
    assertEquals(known, Hashes.sha256(file));
    assertEquals(known, Hashes.sha256(MemorySegment.ofArray(abc)));
    byte[] large = new byte[(1 << 20) + 17];
    assertEquals(Hashes.sha256(large), Hashes.sha256(MemorySegment.ofArray(large)));
    assertThrows(InputException.class, () -> Hashes.sha256(folder.resolve("absent")));
  }
}
