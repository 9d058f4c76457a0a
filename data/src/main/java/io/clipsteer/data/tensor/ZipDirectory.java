// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import static io.clipsteer.data.tensor.MappedFile.I16;
import static io.clipsteer.data.tensor.MappedFile.I32;
import static io.clipsteer.data.tensor.MappedFile.I64;

import io.clipsteer.data.InputException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The entries of a ZIP archive as slices of its mapping. Torch stores its entries uncompressed, so
 * nothing is unpacked here and a small file cannot grow. Text before the archive is allowed, since
 * saev writes a line of JSON there. Check sums are not verified: torch may leave them out.
 */
final class ZipDirectory {
  private static final int END = 0x06054b50;
  private static final int END64 = 0x06064b50;
  private static final int LOCATOR64 = 0x07064b50;
  private static final int CENTRAL = 0x02014b50;
  private static final int LOCAL = 0x04034b50;
  private static final long END_SIZE = 22;

  private record Entry(long header, long size, long name, int method, boolean encrypted) {}

  private final Path file;
  private final MemorySegment bytes;
  private final Budget budget;
  private final Map<String, Entry> entries = new HashMap<>();
  private long start;
  private long directory;

  ZipDirectory(Path file, MemorySegment bytes, Budget budget) {
    this.file = file;
    this.bytes = bytes;
    this.budget = budget;
    long end = findEnd(bytes);
    if (end < 0) throw bad("is no complete ZIP archive: its end is missing");
    long locator = end - 20;
    boolean big = locator >= 56 && bytes.get(I32, locator) == LOCATOR64;
    if (big) readEnd64(locator);
    else readEnd(end);
  }

  /** Start of the record that ends an archive; -1 when there is none. */
  static long findEnd(MemorySegment bytes) {
    long last = bytes.byteSize() - END_SIZE;
    for (long at = last; at >= 0 && at >= last - 0xffff; at--) {
      if (bytes.get(I32, at) == END && (bytes.get(I16, at + 20) & 0xffff) == last - at) return at;
    }
    return -1;
  }

  Set<String> names() {
    return Collections.unmodifiableSet(entries.keySet());
  }

  /** Bytes before the archive. */
  long start() {
    return start;
  }

  /** The bytes of {@code name}; null when there is no such entry. */
  @Nullable MemorySegment find(String name) {
    Entry entry = entries.get(name);
    if (entry == null) return null;
    if (entry.encrypted()) {
      throw new InputException(
          file, "entry " + name + " is encrypted", "Save the checkpoint again with torch.save");
    }
    if (entry.method() != 0) {
      throw new InputException(
          file,
          "entry " + name + " is compressed, which torch never does",
          "Unpack it and save it again with torch.save");
    }
    long at = entry.header();
    if (at < 0 || at > directory - 30 || bytes.get(I32, at) != LOCAL) {
      throw bad("has no entry where its directory says " + name + " is");
    }
    int nameLength = bytes.get(I16, at + 26) & 0xffff;
    long data = at + 30 + nameLength + (bytes.get(I16, at + 28) & 0xffff);
    if (data > directory || entry.size() > directory - data) {
      throw bad("says entry " + name + " has " + entry.size() + " bytes, more than there are");
    }
    // Two headers that disagree are how archives show different contents to different readers.
    if (!sameName(entry.name(), at + 30, nameLength)) {
      throw bad("has two names for the entry " + name);
    }
    return bytes.asSlice(data, entry.size());
  }

  private void readEnd(long end) {
    long count = bytes.get(I16, end + 10) & 0xffff;
    long size = bytes.get(I32, end + 12) & 0xffff_ffffL;
    long offset = bytes.get(I32, end + 16) & 0xffff_ffffL;
    start = end - size - offset;
    readEntries(count, size, offset, end);
  }

  /**
   * The larger record directly precedes its locator; its claimed position gives the archive's
   * start.
   */
  private void readEnd64(long locator) {
    long end = locator - 56;
    if (bytes.get(I32, end) != END64) throw bad("has a damaged ZIP64 record at its end");
    start = end - bytes.get(I64, locator + 8);
    readEntries(bytes.get(I64, end + 32), bytes.get(I64, end + 40), bytes.get(I64, end + 48), end);
  }

  private void readEntries(long count, long size, long offset, long end) {
    boolean inside =
        start >= 0
            && start <= end
            && offset >= 0
            && offset <= end - start
            && size >= 0
            && size <= end - start - offset;
    if (!inside || count < 0 || count > size / 46) {
      throw bad("has a directory of " + count + " entries that does not fit into it");
    }
    directory = start + offset;
    long at = directory;
    long limit = directory + size;
    for (long i = 0; i < count; i++) at = readEntry(at, limit);
  }

  private long readEntry(long at, long limit) {
    if (limit - at < 46 || bytes.get(I32, at) != CENTRAL) throw bad("has a damaged directory");
    int nameLength = bytes.get(I16, at + 28) & 0xffff;
    int extraLength = bytes.get(I16, at + 30) & 0xffff;
    int commentLength = bytes.get(I16, at + 32) & 0xffff;
    long next = at + 46 + nameLength + extraLength + commentLength;
    if (next > limit) throw bad("has a damaged directory");
    budget.spend(192);
    String name = text(at + 46, nameLength);
    int method = bytes.get(I16, at + 10) & 0xffff;
    long packed = bytes.get(I32, at + 20) & 0xffff_ffffL;
    long size = bytes.get(I32, at + 24) & 0xffff_ffffL;
    long header = bytes.get(I32, at + 42) & 0xffff_ffffL;
    long extra = findExtra64(at + 46 + nameLength, extraLength);
    long wanted =
        8L
            * ((size == 0xffff_ffffL ? 1 : 0)
                + (packed == 0xffff_ffffL ? 1 : 0)
                + (header == 0xffff_ffffL ? 1 : 0));
    if (wanted > 0) {
      if (extra < 0 || (bytes.get(I16, extra - 2) & 0xffff) < wanted) {
        throw bad("has no size for the entry " + name);
      }
      if (size == 0xffff_ffffL) {
        size = bytes.get(I64, extra);
        extra += 8;
      }
      if (packed == 0xffff_ffffL) {
        packed = bytes.get(I64, extra);
        extra += 8;
      }
      if (header == 0xffff_ffffL) header = bytes.get(I64, extra);
    }
    if (size < 0 || header < 0 || header > directory - start || (method == 0 && size != packed)) {
      throw bad("has impossible sizes for the entry " + name);
    }
    boolean encrypted = (bytes.get(I16, at + 8) & 1) != 0;
    if (entries.put(name, new Entry(start + header, size, at + 46, method, encrypted)) != null) {
      throw bad("has the entry " + name + " twice");
    }
    return next;
  }

  /** Where the 64-bit sizes begin among the extra fields; -1 without any. */
  private long findExtra64(long from, int length) {
    long end = from + length;
    for (long at = from; end - at >= 4; ) {
      int size = bytes.get(I16, at + 2) & 0xffff;
      if (size > end - at - 4) return -1;
      if ((bytes.get(I16, at) & 0xffff) == 1) return at + 4;
      at += 4 + size;
    }
    return -1;
  }

  /** The directory's name of an entry and its own, byte by byte. */
  private boolean sameName(long central, long local, int length) {
    return local + length <= directory
        && (bytes.get(I16, central - 18) & 0xffff) == length
        && MemorySegment.mismatch(bytes, central, central + length, bytes, local, local + length)
            < 0;
  }

  private String text(long at, int length) {
    budget.spendText(length);
    byte[] name = new byte[length];
    MemorySegment.copy(bytes, ValueLayout.JAVA_BYTE, at, name, 0, length);
    return new String(name, StandardCharsets.UTF_8);
  }

  private InputException bad(String what) {
    return new InputException(file, what, "It is damaged or cut short: download it again");
  }
}
