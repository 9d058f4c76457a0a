// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.folder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** From the start of a run to its end, however it ends. */
final class WorkFolderTest {
  private static final WorkFolder.FolderLayout LAYOUT =
      new WorkFolder.FolderLayout("result.json", List.of("parts"));
  private static final WorkFolder.FolderLayout KEPT =
      new WorkFolder.FolderLayout(null, List.of("parts"));

  @TempDir private Path temp;

  private static RunManifest manifest(int size, String hash) {
    return RunManifest.begin(
        List.of("measure", "--size", "3", "--resume"),
        Map.of("size", size, "rate", 1e-4),
        Map.of("measure", 7L),
        Map.of("model", hash),
        Map.of("clipsteer", "1"),
        null);
  }

  private static WorkFolder open(Path out, boolean resume) {
    return WorkFolder.open(out, LAYOUT, resume, manifest(3, "aa"));
  }

  private static void refused(Runnable what, String... parts) {
    InputException e = assertThrows(InputException.class, what::run);
    String message = String.valueOf(e.getMessage());
    for (String part : parts) assertTrue(message.contains(part), message);
    assertEquals(1, message.lines().count(), message);
  }

  private List<String> names(Path folder) throws IOException {
    try (Stream<Path> all = Files.list(folder)) {
      return all.map(path -> path.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void aRunIsStoppedResumedAndFinished() throws IOException {
    Path out = temp.resolve("a/b");
    try (WorkFolder folder = open(out, false)) {
      assertEquals(List.of(".lock", "manifest.json"), names(out));
      refused(() -> open(out, false), "is being written by another run");
      refused(() -> WorkFolder.check(out, LAYOUT, true), "is being written by another run");
      Files.createDirectory(folder.path().resolve("parts"));
    }
    RunManifest stopped = RunManifest.read(out);
    assertNull(stopped.ended());
    assertEquals(List.of("measure", "--size", "3"), stopped.command());
    refused(() -> WorkFolder.check(out, LAYOUT, false), "holds a stopped run", "Add --resume");
    refused(() -> open(out, false), "holds a stopped run of clipsteer measure", "Add --resume");
    refused(
        () -> WorkFolder.open(out, LAYOUT, true, manifest(4, "bb")),
        "with other settings: size was 3, now 4; model changed.");
    Files.writeString(out.resolve(".result.json.17-3"), "half");
    WorkFolder.check(out, LAYOUT, true);
    try (WorkFolder folder = open(out, true)) {
      assertEquals(List.of(".lock", "manifest.json", "parts"), names(out));
      Files.writeString(out.resolve("result.json"), "{}");
      folder.finish(Map.of("result", "cc"));
    }
    assertEquals(List.of("manifest.json", "result.json"), names(out));
    RunManifest finished = RunManifest.read(out);
    assertNotNull(finished.ended());
    assertEquals(stopped.started(), finished.started());
    assertEquals(Map.of("model", "aa", "result", "cc"), finished.hashes());
    for (boolean resume : new boolean[] {false, true}) {
      refused(() -> open(out, resume), "holds a finished run of clipsteer measure", "--out");
    }
    assertEquals(finished, RunManifest.read(out));
  }

  @Test
  void aRunKilledBeforeItsLastStepIsFinished() throws IOException {
    Path out = temp.resolve("out");
    try (WorkFolder folder = open(out, false)) {
      Files.createDirectory(folder.path().resolve("parts"));
      Files.writeString(out.resolve("result.json"), "{}");
    }
    refused(() -> open(out, true), "holds a finished run");
    assertNotNull(RunManifest.read(out).ended());
    assertEquals(List.of("manifest.json", "result.json"), names(out));
  }

  @Test
  void aFinishedRunThatKeepsItsProgressIsExtended() throws IOException {
    Path out = temp.resolve("out");
    try (WorkFolder folder = WorkFolder.open(out, KEPT, false, manifest(3, "aa"))) {
      Files.createDirectory(out.resolve("parts"));
      folder.finish();
    }
    RunManifest first = RunManifest.read(out);
    refused(() -> WorkFolder.open(out, KEPT, false, manifest(3, "aa")), "finished", "Add --resume");
    WorkFolder.open(out, KEPT, true, manifest(3, "aa")).close();
    assertEquals(first, RunManifest.read(out));
    try (WorkFolder folder = WorkFolder.open(out, KEPT, true, manifest(3, "aa"))) {
      folder.finish();
    }
    assertEquals(List.of("manifest.json", "parts"), names(out));
    assertFalse(
        Objects.requireNonNull(RunManifest.read(out).ended())
            .isBefore(Objects.requireNonNull(first.ended())));
  }

  @Test
  void aRunThatFailedBeforeItHadProgressLeavesNothing() throws IOException {
    Path empty = Files.createDirectory(temp.resolve("empty"));
    for (Path out : List.of(temp.resolve("a/b/c"), empty)) {
      assertThrows(
          IllegalStateException.class,
          () -> {
            try (WorkFolder folder = open(out, false)) {
              Files.writeString(folder.path().resolve("half.bin"), "half");
              throw new IllegalStateException();
            }
          });
    }
    refused(() -> open(temp.resolve("none/../ü"), false), "cannot be written");
    assertEquals(List.of("empty"), names(temp));
    assertEquals(List.of(), names(empty));
    // Beside somebody's files.
    Path mine = Files.writeString(Files.createDirectory(temp.resolve("x")).resolve("mine"), "x");
    open(temp.resolve("x/y/z"), false).close();
    assertEquals(List.of("mine"), names(temp.resolve("x")));
    refused(() -> open(mine.resolve("sub"), false), "mine");
    assertEquals("x", Files.readString(mine));
  }

  @Test
  void foldersOfOthersAreLeftAlone() throws IOException {
    Path other = Files.createDirectory(temp.resolve("other"));
    Path mine = Files.writeString(other.resolve("thesis.txt"), "mine");
    refused(() -> open(other, false), "is not empty", "--out");
    refused(() -> open(other, true), "holds no run to resume");
    refused(() -> WorkFolder.check(mine, LAYOUT, false), "is a file");
    assertEquals(List.of("thesis.txt"), names(other));
    refused(() -> open(temp.resolve("none"), true), "holds no run to resume");
    assertEquals(List.of("other"), names(temp));
    // A run killed at once leaves a lock, or half of a manifest beside its place.
    Path early = Files.createDirectory(temp.resolve("early"));
    Files.createFile(early.resolve(FolderLock.NAME));
    Files.writeString(early.resolve(".manifest.json.17-1"), "{");
    open(early, true).finish();
    assertEquals(List.of(".lock", "manifest.json"), names(early));
  }

  @Test
  void filesAreAddedToFinishedWork() throws IOException {
    Path run = Files.createDirectory(temp.resolve("run"));
    Files.writeString(run.resolve("run.json"), "{}");
    WorkFolder.addTo(run, "evaluation.manifest.json", manifest(3, "aa")).close();
    assertEquals(List.of("run.json"), names(run));
    try (WorkFolder folder = WorkFolder.addTo(run, "evaluation.manifest.json", manifest(3, "aa"))) {
      refused(
          () -> WorkFolder.addTo(run, "evaluation.manifest.json", manifest(3, "aa")),
          "another run");
      folder.finish();
    }
    assertEquals(List.of("evaluation.manifest.json", "run.json"), names(run));
    WorkFolder.addTo(run.resolve("index"), "manifest.json", manifest(3, "aa")).close();
    assertFalse(Files.exists(run.resolve("index")));
  }

  // ---- folders that appear whole ---------------------------------------------------------------

  @Test
  void isThereWholeOrNotAtAll() throws IOException {
    Path out = temp.resolve("out");
    int given =
        WorkFolder.write(
            out,
            folder -> {
              refused(() -> WorkFolder.write(out, other -> 1), "another run");
              Files.writeString(folder.resolve("a"), "text");
              return 7;
            });
    assertEquals(7, given);
    assertEquals("text", Files.readString(out.resolve("a")));
    Path other = temp.resolve("other/deep");
    assertThrows(
        InputException.class,
        () ->
            WorkFolder.write(
                other,
                folder -> {
                  Files.writeString(folder.resolve("a"), "half");
                  throw new IOException("no room");
                }));
    assertEquals(List.of("out"), names(temp));
    assertThrows(InputException.class, () -> WorkFolder.write(out, folder -> 1));
    assertEquals("text", Files.readString(out.resolve("a")));
  }

  /** As a killed process leaves it: its number belongs to nobody any more. */
  @Test
  void deletesWhatADeadProcessLeft() throws IOException {
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
    WorkFolder.write(temp.resolve("out"), folder -> 1);
    List<String> kept =
        List.of(".other." + dead.pid() + ".partial", ".out." + alive + ".partial", "out");
    assertEquals(kept, names(temp));
  }

  @Test
  void deletes() throws IOException {
    Path folder = Files.createDirectories(temp.resolve("a/b"));
    Path kept = Files.writeString(temp.resolve("kept"), "text");
    Files.writeString(folder.resolve("c"), "text");
    Files.createSymbolicLink(folder.resolve("link"), kept);
    Folders.delete(temp.resolve("a"));
    assertFalse(Files.exists(temp.resolve("a")));
    assertTrue(Files.exists(kept), "what a link leads to stays");
    Folders.delete(temp.resolve("a"));
  }
}
