// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarFile;

/**
 * The images of one tar archive by its headers alone: images themselves are passed over unread.
 * Members are skipped and counted as files of a folder are; links inside an archive are not
 * followed, and a member of a name that came before is skipped.
 *
 * <p>A label is the text of the member {@code key.cls} beside an image {@code key.ENDING}, as
 * WebDataset's shards have it (a key ends at the first dot of a file's name), or else the image's
 * first folder.
 */
final class TarListing {
  private static final long MAX_MEMBER_BYTES = 256L << 20;

  /** Of a label in a member of its own. */
  private static final int MAX_LABEL_BYTES = 1024;

  private static final int RECORD = 512;
  private static final int BLOCK = 20 * RECORD;

  private final Path archive;
  private final String prefix;
  private final Listing.ListingBuilder met = new Listing.ListingBuilder();
  private final List<TarSet.TarImage> images = new ArrayList<>();
  private final Map<String, String> labels = new HashMap<>();
  private final Set<String> labelled = new HashSet<>();
  private final Set<String> seen = new HashSet<>();

  private TarListing(Path archive, String prefix) {
    this.archive = archive;
    this.prefix = prefix;
  }

  /**
   * Reads an archive's headers.
   *
   * @param prefix of its images' ids
   * @throws InputException when the archive cannot be read or is damaged, or names a file outside
   *     itself
   */
  static TarListing of(Path archive, String prefix) {
    TarListing listing = new TarListing(archive, prefix);
    try (SeekableByteChannel channel = Files.newByteChannel(archive)) {
      refuseGzip(archive, channel);
      listing.read(channel);
    } catch (UncheckedIOException e) {
      throw new InputException(archive, "cannot be read: " + Reasons.of(e), "Check the path", e);
    } catch (IOException e) {
      throw new InputException(archive, "cannot be read: " + Reasons.of(e), "Check the path", e);
    }
    return listing;
  }

  private static void refuseGzip(Path archive, SeekableByteChannel channel) throws IOException {
    ByteBuffer first = ByteBuffer.allocate(2);
    while (first.hasRemaining() && channel.read(first) >= 0) {}
    channel.position(0);
    if (first.get(0) == 0x1f && (first.get(1) & 0xFF) == 0x8b) {
      throw new InputException(archive, "it is compressed with gzip", "Unpack it with gunzip");
    }
  }

  private void read(SeekableByteChannel channel) throws IOException {
    long size = channel.size();
    long end = 0;
    // Its close would close the channel, which its opener closes.
    try (TarFile tar = opened(channel)) {
      for (TarArchiveEntry entry : tar.getEntries()) {
        if (!entry.isCheckSumOK()) {
          throw damaged(new IOException("the checksum of " + entry.getName() + " is wrong"));
        }
        add(tar, entry);
        end = entry.getDataOffset() + (entry.getSize() + RECORD - 1) / RECORD * RECORD;
      }
      if (end < size) checkEndMark(channel, end);
    }
    if (end >= size && end > 0) {
      met.note(archive.getFileName() + " has no end mark: its last members may be missing");
    }
  }

  /** The library ends without a word where a header is cut. */
  private void checkEndMark(SeekableByteChannel channel, long end) throws IOException {
    ByteBuffer record = ByteBuffer.allocate(RECORD);
    channel.position(end);
    while (record.hasRemaining() && channel.read(record) >= 0) {}
    if (record.hasRemaining() || !Arrays.equals(record.array(), new byte[RECORD])) {
      throw damaged(new IOException("it ends inside a header"));
    }
  }

  private TarFile opened(SeekableByteChannel channel) {
    try {
      return new TarFile(channel, BLOCK, RECORD, "ISO-8859-1", false);
    } catch (IOException
        | IllegalArgumentException
        | IllegalStateException
        | IndexOutOfBoundsException
        | ArithmeticException
        | OutOfMemoryError e) {
      // Beside its own exceptions those that commons-compress lets through on lying headers.
      throw damaged(e);
    }
  }

  private InputException damaged(Throwable e) {
    return new InputException(
        archive,
        "no tar, or the archive is damaged (" + e.getMessage() + ")",
        "Fetch it again, or pack it anew",
        e);
  }

  private void add(TarFile tar, TarArchiveEntry entry) throws IOException {
    String name = name(entry);
    while (name.startsWith("./")) name = name.substring(2);
    if (entry.isDirectory() && name.isEmpty()) return;
    ImageSet.inside(archive, name);
    if (entry.isDirectory() || isHidden(name)) return;
    String id = prefix + name;
    if (entry.isLink() || entry.isSymbolicLink()) met.name("link inside an archive", id);
    else if (isDevice(entry)) met.name("no plain file", id);
    else if (name.endsWith(".cls")) label(tar, entry, name, id);
    else if (!ImageSet.isImage(name.substring(name.lastIndexOf('/') + 1))) Endings.skip(met, id);
    else if (entry.isSparse()) met.name("sparse file inside an archive", id);
    else if (entry.getSize() > MAX_MEMBER_BYTES) met.name("member of more than 256 MiB", id);
    else if (!seen.add(name)) met.name("member whose name came before", id);
    else {
      images.add(
          new TarSet.TarImage(archive, id, null, entry.getDataOffset(), (int) entry.getSize()));
    }
  }

  private void label(TarFile tar, TarArchiveEntry entry, String name, String id)
      throws IOException {
    String text = "";
    if (!entry.isSparse() && entry.getSize() <= MAX_LABEL_BYTES) {
      try (InputStream in = tar.getInputStream(entry)) {
        text = StandardCharsets.UTF_8.decode(ByteBuffer.wrap(in.readAllBytes())).toString();
      }
    }
    text = text.strip();
    if (text.isEmpty() || text.indexOf('\uFFFD') >= 0 || text.matches("(?s).*\\p{Cntrl}.*")) {
      met.name("label that is no line of text", id);
    } else if (labels.putIfAbsent(key(name), text.intern()) != null) {
      met.name("member whose name came before", id);
    }
  }

  /** What the members of one sample have in common. */
  private static String key(String name) {
    int dot = name.indexOf('.', name.lastIndexOf('/') + 1);
    return dot < 0 ? name : name.substring(0, dot);
  }

  /**
   * A member's name. The library would make one question mark of all bytes that are not UTF-8, and
   * of two names one: it reads bytes as they are, and those that are not UTF-8 stay Latin-1. Names
   * in extended headers are UTF-8 already.
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

  /** The library calls devices and pipes files, too. */
  private static boolean isDevice(TarArchiveEntry entry) {
    return !entry.isFile() || entry.isCharacterDevice() || entry.isBlockDevice() || entry.isFIFO();
  }

  private static boolean isHidden(String name) {
    for (String part : name.split("/")) if (Endings.isHidden(part)) return true;
    return false;
  }

  /**
   * Adds the images to those of other archives, sorted by name.
   *
   * @param listing what is skipped of all of them
   * @param folders that are labels, of all of them
   */
  void addTo(List<TarSet.TarImage> all, Listing.ListingBuilder listing, ClassFolders folders) {
    images.sort(Comparator.comparing(TarSet.TarImage::id));
    for (TarSet.TarImage image : images) {
      String name = image.id().substring(prefix.length());
      String key = key(name);
      String label = labels.get(key);
      if (label == null) folders.add(name);
      else labelled.add(key);
      all.add(image.labelled(label == null ? ClassFolders.of(name) : label));
    }
    for (int unused = labels.size() - labelled.size(); unused > 0; unused--) met.count(".cls");
    listing.add(met.build(0));
  }
}
