// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.attack;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.stream.Stream;

/** A folder that appears whole or not at all: filled beside its place, then renamed. */
final class NewFolder {
  /** Fills a folder. */
  interface Filler<T> {
    T fill(Path folder) throws IOException;
  }

  private NewFolder() {}

  /**
   * Makes a folder.
   *
   * @param out absent or empty
   * @return what the filler gave
   */
  static <T> T write(Path out, Filler<T> filler) {
    Path target = out.toAbsolutePath().normalize();
    requireEmpty(out, target);
    // A name of this process alone: nobody else's files are touched.
    Path part =
        target.resolveSibling(
            "." + target.getFileName() + "." + ProcessHandle.current().pid() + ".partial");
    if (Files.exists(part)) {
      throw new InputException(part, "is in the way", "Move it, or name another folder");
    }
    try {
      Files.createDirectories(part);
      T result = filler.fill(part);
      Files.deleteIfExists(target);
      Files.move(part, target, StandardCopyOption.ATOMIC_MOVE);
      return result;
    } catch (DirectoryNotEmptyException e) {
      throw new InputException(out, "was filled meanwhile", "Name a new folder with --out", e);
    } catch (IOException e) {
      throw new InputException(
          out, "cannot be written: " + Reasons.of(e), "Check the path and the disk's space", e);
    } finally {
      deleteQuietly(part);
    }
  }

  private static void requireEmpty(Path out, Path target) {
    if (!Files.exists(target)) return;
    try (var entries = Files.list(target)) {
      if (entries.findAny().isEmpty()) return;
    } catch (IOException e) {
      throw new InputException(out, "is no folder that can be read", "Name a new folder", e);
    }
    throw new InputException(out, "is not empty", "Name a new folder with --out");
  }

  private static void deleteQuietly(Path folder) {
    if (!Files.exists(folder)) return;
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path path : all.sorted((a, b) -> b.compareTo(a)).toList()) Files.delete(path);
    } catch (IOException e) {
      // The failure that led here says more than this one.
      return;
    }
  }
}
