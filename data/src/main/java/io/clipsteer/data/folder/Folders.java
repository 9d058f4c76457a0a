// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.folder;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Making and deleting folders. */
public final class Folders {
  private Folders() {}

  /** Whether a folder holds nothing but what a run leaves that was killed at once. */
  static boolean isEmpty(Path folder) {
    try (Stream<Path> entries = Files.list(folder)) {
      return entries.allMatch(
          entry -> entry.endsWith(FolderLock.NAME) || AtomicFiles.isLeftOver(entry));
    } catch (IOException e) {
      throw new InputException(folder, "is no folder that can be read", "Name another", e);
    }
  }

  /** The folders that have to be made for a path, the deepest first. */
  static List<Path> missing(Path folder) {
    List<Path> missing = new ArrayList<>();
    // Normalised: for none/../it only the folder it is made.
    for (Path path = folder.toAbsolutePath().normalize();
        path != null && Files.notExists(path);
        path = path.getParent()) {
      missing.add(path);
    }
    return missing;
  }

  /** Deletes those of the folders that are empty. */
  static void removeEmpty(List<Path> folders) {
    for (Path folder : folders) {
      try {
        Files.deleteIfExists(folder);
      } catch (IOException e) {
        continue; // Somebody else's files lie there.
      }
    }
  }

  /** Deletes everything in a folder but the lock. */
  static void clear(Path folder) {
    try (Stream<Path> all = Files.list(folder)) {
      all.filter(path -> !path.endsWith(FolderLock.NAME)).forEach(Folders::deleteQuietly);
    } catch (IOException e) {
      return; // The failure that led here says more than this one.
    }
  }

  /**
   * Deletes a file, or a folder with everything in it; what a link leads to stays.
   *
   * @param path perhaps absent
   * @throws InputException when the disk refuses
   */
  public static void delete(Path path) {
    try {
      deleteAll(path);
    } catch (IOException e) {
      throw new InputException(path, "cannot be deleted: " + Reasons.of(e), "Delete it by hand", e);
    }
  }

  /** Deletes what it can: the failure that led here says more than another. */
  public static void deleteQuietly(Path path) {
    try {
      deleteAll(path);
    } catch (IOException e) {
      return; // The failure that led here says more than this one.
    }
  }

  private static void deleteAll(Path path) throws IOException {
    if (!Files.exists(path)) return;
    try (Stream<Path> all = Files.walk(path)) {
      for (Path one : all.sorted((a, b) -> b.compareTo(a)).toList()) Files.delete(one);
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }
}
