// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Objects;

/**
 * Files as memory: nothing is read before it is touched, and no size exceeds an array. Numbers in
 * them are little-endian.
 */
final class MappedFile {
  static final ValueLayout.OfShort I16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfInt I32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfLong I64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfFloat F32 =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfDouble F64 =
      ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private MappedFile() {}

  /** All of {@code file}, read-only, until {@code arena} closes. */
  static MemorySegment map(Path file, Arena arena) {
    if (Files.isDirectory(file)) {
      throw new InputException(file, "is a folder", "Name the file of weights inside it");
    }
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
    } catch (NoSuchFileException e) {
      throw new InputException(file, "does not exist", "Check the path", e);
    } catch (IOException e) {
      throw new InputException(
          file, "cannot be read: " + Reasons.of(e), "Check that it is a plain, readable file", e);
    } catch (UnsupportedOperationException e) {
      throw new InputException(file, "is no plain file", "Copy it to a local disk", e);
    }
  }

  /** The bytes of {@code segment} as a stream, without a copy. */
  static InputStream stream(MemorySegment segment) {
    return new InputStream() {
      private long at;

      @Override
      public int read() {
        return at < segment.byteSize() ? segment.get(ValueLayout.JAVA_BYTE, at++) & 0xff : -1;
      }

      @Override
      public int read(byte[] target, int offset, int length) {
        Objects.checkFromIndexSize(offset, length, target.length);
        if (length == 0) return 0;
        long left = segment.byteSize() - at;
        if (left <= 0) return -1;
        int n = (int) Math.min(length, left);
        MemorySegment.copy(segment, ValueLayout.JAVA_BYTE, at, target, offset, n);
        at += n;
        return n;
      }
    };
  }
}
