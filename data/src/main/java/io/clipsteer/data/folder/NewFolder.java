// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.folder;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** A folder that appears whole or not at all: filled beside its place, then renamed. */
public final class NewFolder {
  /** Fills a folder. */
  @FunctionalInterface
  public interface Filler<T> {
    /** Puts everything there; what it gives is given on. */
    T fill(Path folder) throws IOException;
  }

  private NewFolder() {}

  /**
   * Refuses a place where something lies.
   *
   * @param out absent or empty is fine
   * @throws InputException naming what to do
   */
  public static void require(Path out) {
    if (!Files.exists(out)) {
      if (Files.isSymbolicLink(out)) {
        throw new InputException(
            out, "is a link that leads nowhere", "Name a new folder with --out");
      }
      return;
    }
    if (!Files.isDirectory(out)) {
      throw new InputException(out, "is a file", "Name a new folder with --out");
    }
    if (!isEmpty(out)) {
      throw new InputException(out, "is not empty", "Name a new folder with --out");
    }
  }

  /** Whether there is nothing in a folder but perhaps a {@link FolderLock}'s file. */
  public static boolean isEmpty(Path folder) {
    try (var entries = Files.list(folder)) {
      return entries.allMatch(entry -> entry.endsWith(FolderLock.NAME));
    } catch (IOException e) {
      throw new InputException(
          folder, "is no folder that can be read", "Name a new folder with --out", e);
    }
  }

  /**
   * Makes a folder.
   *
   * @param out absent or empty
   * @return what the filler gave
   * @throws InputException when something lies there, or the disk refuses
   */
  public static <T> T write(Path out, Filler<T> filler) {
    require(out);
    Path target = place(out);
    // A name of this process alone: nobody else's files are touched.
    Path part =
        target.resolveSibling(
            "." + target.getFileName() + "." + ProcessHandle.current().pid() + ".partial");
    sweep(target);
    // A run that has just begun there has nothing but its lock to show.
    if (Files.exists(target)) FolderLock.take(target).close();
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
      throw refused(out, Reasons.of(e), e);
    } catch (UncheckedIOException e) {
      throw refused(out, Reasons.of(e), e);
    } finally {
      deleteQuietly(part);
    }
  }

  /** Behind links: the folder that a link names is filled, the link stays. */
  private static Path place(Path out) {
    try {
      return Files.exists(out) ? out.toRealPath() : out.toAbsolutePath().normalize();
    } catch (IOException e) {
      throw refused(out, Reasons.of(e), e);
    }
  }

  /** Takes away what processes left that were stopped while they filled this very folder. */
  private static void sweep(Path target) {
    Path parent = target.getParent();
    if (parent == null || !Files.isDirectory(parent)) return;
    Pattern left =
        Pattern.compile(Pattern.quote("." + target.getFileName() + ".") + "(\\d{1,18})\\.partial");
    try (Stream<Path> all = Files.list(parent)) {
      for (Path path : all.toList()) {
        Matcher name = left.matcher(String.valueOf(path.getFileName()));
        if (!name.matches()) continue;
        boolean alive =
            ProcessHandle.of(Long.parseLong(name.group(1)))
                .map(ProcessHandle::isAlive)
                .orElse(false);
        if (!alive) deleteQuietly(path);
      }
    } catch (IOException e) {
      return; // What cannot be listed cannot be swept, and harms nothing.
    }
  }

  private static InputException refused(Path out, String reason, Exception e) {
    return new InputException(
        out, "cannot be written: " + reason, "Check the path and the disk's space", e);
  }

  /**
   * Takes a folder away with all that is in it.
   *
   * @param folder perhaps absent
   * @throws InputException when the disk refuses
   */
  public static void delete(Path folder) {
    try {
      deleteAll(folder);
    } catch (IOException e) {
      throw new InputException(
          folder, "cannot be deleted: " + Reasons.of(e), "Delete it yourself", e);
    }
  }

  private static void deleteQuietly(Path folder) {
    try {
      deleteAll(folder);
    } catch (IOException e) {
      // The failure that led here says more than this one.
      return;
    }
  }

  private static void deleteAll(Path folder) throws IOException {
    if (!Files.exists(folder)) return;
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path path : all.sorted((a, b) -> b.compareTo(a)).toList()) Files.delete(path);
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }
}
