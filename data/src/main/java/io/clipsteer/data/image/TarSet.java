// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.jspecify.annotations.Nullable;

/** Pictures in tar archives, read one after the other; one picture at a time is in memory. */
record TarSet(List<Path> archives) implements ImageSet {
  private static final long MAX_MEMBER_BYTES = 256L << 20;

  @Override
  public Path origin() {
    return archives.getFirst();
  }

  @Override
  public ImageCursor cursor() {
    return new Cursor(archives);
  }

  private static final class Cursor implements ImageCursor {
    private final List<Path> archives;
    private int nextArchive;
    private @Nullable TarArchiveInputStream tar;

    Cursor(List<Path> archives) {
      this.archives = archives;
    }

    @Override
    public @Nullable ImageItem next() {
      while (true) {
        TarArchiveInputStream in = tar;
        if (in == null) {
          if (nextArchive == archives.size()) return null;
          in = openNext();
        }
        Path archive = archives.get(nextArchive - 1);
        try {
          TarArchiveEntry entry = in.getNextEntry();
          if (entry == null) {
            close();
          } else {
            ImageItem item = item(archive, in, entry);
            if (item != null) return item;
          }
        } catch (IOException | IllegalArgumentException | IllegalStateException e) {
          throw damaged(archive, e);
        } catch (IndexOutOfBoundsException | ArithmeticException | OutOfMemoryError e) {
          // What commons-compress lets through on lying headers.
          throw damaged(archive, e);
        }
      }
    }

    private static InputException damaged(Path archive, Throwable e) {
      return new InputException(
          archive, "the archive is damaged (" + e.getMessage() + ")", "Fetch it again", e);
    }

    private TarArchiveInputStream openNext() {
      Path archive = archives.get(nextArchive++);
      try {
        var buffered = new BufferedInputStream(Files.newInputStream(archive), 1 << 16);
        TarArchiveInputStream in = new TarArchiveInputStream(buffered, "UTF-8");
        tar = in;
        return in;
      } catch (IOException e) {
        throw new InputException(archive, "cannot be read: " + Reasons.of(e), "Check the path", e);
      }
    }

    private @Nullable ImageItem item(Path archive, TarArchiveInputStream in, TarArchiveEntry entry)
        throws IOException {
      String name = entry.getName();
      while (name.startsWith("./")) name = name.substring(2);
      if (entry.isDirectory() && name.isEmpty()) return null;
      ImageSet.inside(archive, name);
      String file = name.substring(name.lastIndexOf('/') + 1);
      boolean plain = entry.isFile() && !entry.isLink() && !entry.isSymbolicLink();
      if (!plain || entry.isSparse() || !ImageSet.isPicture(file)) return null;
      long size = entry.getSize();
      if (size > MAX_MEMBER_BYTES) {
        throw new InputException(
            archive, name + " claims " + size + " bytes", "Pictures of up to 256 MiB are read");
      }
      // Grows as bytes come, so a lying size costs nothing.
      byte[] bytes = in.readNBytes((int) size);
      if (bytes.length < size) throw new IOException(name + " ends early");
      int slash = name.indexOf('/');
      String label = slash > 0 ? name.substring(0, slash) : null;
      String id = archives.size() > 1 ? archive.getFileName() + "/" + name : name;
      return new ImageItem(id, label, () -> bytes);
    }

    @Override
    public void close() {
      TarArchiveInputStream in = tar;
      tar = null;
      if (in == null) return;
      try {
        in.close();
      } catch (IOException e) {
        throw new InputException(origin(), "cannot be closed: " + Reasons.of(e), "Try again", e);
      }
    }

    private Path origin() {
      return archives.getFirst();
    }
  }
}
