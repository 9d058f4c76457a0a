// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.jspecify.annotations.Nullable;

/**
 * Images in tar archives, read one after the other; one image at a time is in memory. Members are
 * skipped and counted as files of a folder are; links inside an archive are not followed, and a
 * member of a name that came before is skipped.
 */
final class TarSet implements ImageSet {
  private static final long MAX_MEMBER_BYTES = 256L << 20;

  private final List<Path> archives;
  private final Listing beside;
  private volatile Listing listing;

  /**
   * @param beside what was skipped beside the archives
   */
  TarSet(List<Path> archives, Listing beside) {
    this.archives = List.copyOf(archives);
    this.beside = beside;
    listing = beside;
  }

  @Override
  public Path origin() {
    return archives.getFirst();
  }

  /** Of the pass that ended last: as far as it went. */
  @Override
  public Listing listing() {
    return listing;
  }

  @Override
  public boolean isListed() {
    return false;
  }

  @Override
  public ImageCursor cursor() {
    return new Cursor(true);
  }

  @Override
  public ImageCursor names() {
    return new Cursor(false);
  }

  private final class Cursor implements ImageCursor {
    private final boolean reading;
    private final Set<String> seen = new HashSet<>();
    private final Listing.ListingBuilder met = new Listing.ListingBuilder();
    private final ClassFolders folders = new ClassFolders();
    private long images;
    private boolean noted;
    private int nextArchive;
    private @Nullable TarArchiveInputStream tar;

    Cursor(boolean reading) {
      this.reading = reading;
      met.add(beside);
    }

    @Override
    public @Nullable ImageItem next() {
      while (true) {
        TarArchiveInputStream in = tar;
        if (in == null) {
          if (nextArchive == archives.size()) return ended();
          in = openNext();
        }
        Path archive = archives.get(nextArchive - 1);
        try {
          TarArchiveEntry entry = in.getNextEntry();
          if (entry != null && !entry.isCheckSumOK()) {
            throw new IOException("the checksum of " + entry.getName() + " is wrong");
          }
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

    private @Nullable ImageItem ended() {
      if (!noted) folders.note(met, null);
      noted = true;
      return null;
    }

    private static InputException damaged(Path archive, Throwable e) {
      return new InputException(
          archive, "the archive is damaged (" + e.getMessage() + ")", "Fetch it again", e);
    }

    private TarArchiveInputStream openNext() {
      Path archive = archives.get(nextArchive++);
      // Ids of several archives begin with the archive's name, so that one at a time is enough.
      seen.clear();
      try {
        var buffered = new BufferedInputStream(Files.newInputStream(archive), 1 << 16);
        buffered.mark(2);
        byte[] first = buffered.readNBytes(2);
        buffered.reset();
        if (first.length == 2 && first[0] == 0x1f && (first[1] & 0xFF) == 0x8b) {
          buffered.close();
          throw new InputException(archive, "it is compressed with gzip", "Unpack it with gunzip");
        }
        TarArchiveInputStream in = new TarArchiveInputStream(buffered, "ISO-8859-1");
        tar = in;
        return in;
      } catch (IOException e) {
        throw new InputException(archive, "cannot be read: " + Reasons.of(e), "Check the path", e);
      }
    }

    private @Nullable ImageItem item(Path archive, TarArchiveInputStream in, TarArchiveEntry entry)
        throws IOException {
      String name = name(entry);
      while (name.startsWith("./")) name = name.substring(2);
      if (entry.isDirectory() && name.isEmpty()) return null;
      ImageSet.inside(archive, name);
      if (entry.isDirectory() || isHidden(name)) return null;
      String id = archives.size() > 1 ? archive.getFileName() + "/" + name : name;
      if (!taken(entry, name, id)) return null;
      long size = entry.getSize();
      if (size > MAX_MEMBER_BYTES) {
        throw new InputException(
            archive, name + " claims " + size + " bytes", "Images of up to 256 MiB are read");
      }
      // Grows as bytes come, so a lying size costs nothing.
      byte[] bytes = reading ? in.readNBytes((int) size) : new byte[0];
      if (reading && bytes.length < size) throw new IOException(name + " ends early");
      String label = ClassFolders.of(name);
      images++;
      folders.add(name);
      return new ImageItem(id, label, () -> bytes);
    }

    /**
     * A member's name. The library would make one question mark of all bytes that are not UTF-8,
     * and of two names one: it reads bytes as they are, and those that are not UTF-8 stay Latin-1.
     * Names in extended headers are UTF-8 already.
     */
    private static String name(TarArchiveEntry entry) {
      String name = entry.getName();
      byte[] bytes = name.getBytes(StandardCharsets.ISO_8859_1);
      if (!new String(bytes, StandardCharsets.ISO_8859_1).equals(name)) return name;
      try {
        return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
      } catch (CharacterCodingException e) {
        return name;
      }
    }

    private boolean taken(TarArchiveEntry entry, String name, String id) {
      String file = name.substring(name.lastIndexOf('/') + 1);
      if (entry.isLink() || entry.isSymbolicLink()) met.name("link inside an archive", id);
      else if (isDevice(entry)) met.name("no plain file", id);
      else if (!ImageSet.isImage(file)) Endings.skip(met, id);
      else if (entry.isSparse()) met.name("sparse file inside an archive", id);
      else if (!seen.add(name)) met.name("member whose name came before", id);
      else return true;
      return false;
    }

    /** The library calls devices and pipes files, too. */
    private static boolean isDevice(TarArchiveEntry entry) {
      return !entry.isFile()
          || entry.isCharacterDevice()
          || entry.isBlockDevice()
          || entry.isFIFO();
    }

    private static boolean isHidden(String name) {
      for (String part : name.split("/")) if (Endings.isHidden(part)) return true;
      return false;
    }

    /** Of the archive that is open. */
    @Override
    public void close() {
      listing = met.build(images);
      TarArchiveInputStream in = tar;
      tar = null;
      if (in == null) return;
      try {
        in.close();
      } catch (IOException e) {
        throw new InputException(origin(), "cannot be closed: " + Reasons.of(e), "Try again", e);
      }
    }
  }
}
