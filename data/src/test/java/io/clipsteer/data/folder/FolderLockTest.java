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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** One run a folder, in one process and in two. */
class FolderLockTest {
  @TempDir private Path temp;

  /** Takes the folder, says so, and waits to be killed. */
  public static void main(String[] args) throws InterruptedException {
    FolderLock lock = FolderLock.take(Path.of(args[0]));
    System.out.println("taken " + lock.hashCode());
    Thread.sleep(60_000);
  }

  private static void refused(Path folder) {
    InputException e = assertThrows(InputException.class, () -> FolderLock.take(folder));
    assertTrue(String.valueOf(e.getMessage()).contains("by another run"), e.getMessage());
  }

  @Test
  void oneOfThisProcessHasIt() throws IOException {
    Path folder = temp.resolve("run");
    Path link = Files.createSymbolicLink(temp.resolve("link"), folder);
    try (FolderLock lock = FolderLock.take(folder)) {
      refused(folder);
      refused(link);
      // A lock alone is nothing that could be lost.
      assertThrows(InputException.class, () -> WorkFolder.check(folder, WorkFolder.ALONE, false));
    }
    assertFalse(Files.exists(folder.resolve(FolderLock.NAME)));
    FolderLock.take(folder).close();
  }

  @Test
  void aKilledProcessLetsGo() throws IOException, InterruptedException {
    Path folder = temp.resolve("run");
    Process other =
        new ProcessBuilder(
                ProcessHandle.current().info().command().orElseThrow(),
                "-cp",
                System.getProperty("java.class.path"),
                FolderLockTest.class.getName(),
                folder.toString())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (var said = other.inputReader()) {
      assertTrue(String.valueOf(said.readLine()).startsWith("taken"));
      refused(folder);
    } finally {
      other.destroyForcibly().waitFor();
    }
    FolderLock.take(folder).close();
  }

  @Test
  void newFoldersGoThroughLinks() throws IOException {
    Path place = Files.createDirectory(temp.resolve("place"));
    Path link = Files.createSymbolicLink(temp.resolve("link"), place);
    String given =
        WorkFolder.write(link, folder -> Files.writeString(folder.resolve("a"), "b").toString());
    assertFalse(given.isEmpty());
    assertTrue(Files.isSymbolicLink(link));
    assertEquals("b", Files.readString(place.resolve("a")));
    Path nowhere = Files.createSymbolicLink(temp.resolve("nowhere"), temp.resolve("none"));
    InputException e =
        assertThrows(
            InputException.class, () -> WorkFolder.check(nowhere, WorkFolder.ALONE, false));
    assertTrue(String.valueOf(e.getMessage()).contains("leads nowhere"), e.getMessage());
  }

  @Test
  void whatDeadProcessesLeftIsSweptAway() throws IOException {
    Path out = temp.resolve("out");
    Path dead = Files.createDirectory(temp.resolve(".out.999999999.partial"));
    Files.writeString(dead.resolve("half"), "x");
    long mine = ProcessHandle.current().pid();
    Path parent = Files.createDirectory(temp.resolve(".other." + mine + ".partial"));
    WorkFolder.write(out, folder -> Files.writeString(folder.resolve("a"), "b"));
    assertFalse(Files.exists(dead));
    assertTrue(Files.exists(parent)); // Somebody else's.
  }
}
