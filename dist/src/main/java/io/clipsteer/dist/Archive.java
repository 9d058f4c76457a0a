// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.dist;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.apache.commons.compress.compressors.gzip.GzipCompressorOutputStream;
import org.apache.commons.compress.compressors.gzip.GzipParameters;

/** Archives whose bytes follow from names and contents alone: sorted, one time, one owner. */
final class Archive {
  private static final int EXECUTABLE = 0755;
  private static final int READABLE = 0644;

  private Archive() {}

  /** Everything below a folder, sorted by name. */
  static List<Path> below(Path folder) throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      return all.filter(path -> !path.equals(folder)).sorted().toList();
    }
  }

  /** A tar of a folder, compressed; names in it start with the folder's own. */
  static void tar(Path folder, Path file, Instant time) throws IOException {
    GzipParameters settings = new GzipParameters();
    settings.setModificationInstant(Instant.EPOCH);
    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file));
        OutputStream gzip = new GzipCompressorOutputStream(out, settings);
        TarArchiveOutputStream tar = new TarArchiveOutputStream(gzip, "UTF-8")) {
      tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
      for (Path path : below(folder)) {
        String name = name(folder, path);
        TarArchiveEntry entry;
        if (Files.isSymbolicLink(path)) {
          entry = new TarArchiveEntry(name, TarConstants.LF_SYMLINK);
          entry.setLinkName(Files.readSymbolicLink(path).toString());
        } else {
          entry = new TarArchiveEntry(Files.isDirectory(path) ? name + "/" : name);
          if (!Files.isDirectory(path)) entry.setSize(Files.size(path));
          entry.setMode(Files.isExecutable(path) ? EXECUTABLE : READABLE);
        }
        entry.setModTime(time.toEpochMilli());
        entry.setIds(0, 0);
        entry.setNames("root", "root");
        tar.putArchiveEntry(entry);
        if (Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)) Files.copy(path, tar);
        tar.closeArchiveEntry();
      }
    }
  }

  /** A zip of a folder; names in it start with the folder's own. */
  static void zip(Path folder, Path file, Instant time) throws IOException {
    try (ZipOutputStream zip =
        new ZipOutputStream(new BufferedOutputStream(Files.newOutputStream(file)))) {
      for (Path path : below(folder)) {
        if (Files.isDirectory(path)) continue;
        zip.putNextEntry(entry(name(folder, path), time));
        Files.copy(path, zip);
        zip.closeEntry();
      }
    }
  }

  /** An entry whose time does not depend on the builder's time zone. */
  static ZipEntry entry(String name, Instant time) {
    ZipEntry entry = new ZipEntry(name);
    entry.setTimeLocal(LocalDateTime.ofInstant(time, ZoneOffset.UTC));
    return entry;
  }

  private static String name(Path folder, Path path) {
    return folder.getFileName() + "/" + folder.relativize(path).toString().replace('\\', '/');
  }
}
