// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.dist;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Shared libraries of Linux without their symbol tables, which nothing at run time reads (the
 * dynamic ones stay). libtorch loses 89 of 332 MB. In Java, so that the bytes do not depend on the
 * builder's binutils.
 */
final class Elf {
  private static final int HEADER = 64;
  private static final int SECTION_HEADER = 64;
  private static final int SYMTAB = 2;
  private static final int STRTAB = 3;

  private record Section(int type, long offset, long size) {}

  private Elf() {}

  /**
   * The library without {@code .symtab} and {@code .strtab}; the same array when it is no 64-bit
   * little-endian ELF file or does not end with these two, the section names and the headers, as
   * linkers lay them out.
   */
  static byte[] strip(byte[] library) {
    if (library.length < HEADER
        || !Arrays.equals(library, 0, 6, new byte[] {0x7f, 'E', 'L', 'F', 2, 1}, 0, 6)) {
      return library;
    }
    ByteBuffer file = ByteBuffer.wrap(library).order(ByteOrder.LITTLE_ENDIAN);
    int headers = Math.toIntExact(file.getLong(40));
    int count = file.getShort(60);
    int names = file.getShort(62);
    if (count < 4 || names != count - 1) return library;
    Section symbols = section(file, headers, count - 3);
    Section strings = section(file, headers, count - 2);
    Section last = section(file, headers, names);
    if (symbols.type != SYMTAB || strings.type != STRTAB || last.type != STRTAB) return library;
    for (int i = 0; i < count - 3; i++) {
      Section other = section(file, headers, i);
      boolean inFile = other.type != 8; // NOBITS has no bytes
      if (inFile && other.offset + other.size > symbols.offset) return library;
    }
    int start = Math.toIntExact(symbols.offset);
    int end = start + Math.toIntExact(last.size);
    int newHeaders = (end + 7) & ~7;
    int kept = count - 2;
    byte[] result = Arrays.copyOf(library, newHeaders + kept * SECTION_HEADER);
    Arrays.fill(result, start, result.length, (byte) 0);
    System.arraycopy(library, (int) last.offset, result, start, (int) last.size);
    System.arraycopy(library, headers, result, newHeaders, (kept - 1) * SECTION_HEADER);
    int moved = newHeaders + (kept - 1) * SECTION_HEADER;
    System.arraycopy(library, headers + names * SECTION_HEADER, result, moved, SECTION_HEADER);
    ByteBuffer out = ByteBuffer.wrap(result).order(ByteOrder.LITTLE_ENDIAN);
    out.putLong(moved + 24, start);
    out.putLong(40, newHeaders);
    out.putShort(60, (short) kept);
    out.putShort(62, (short) (kept - 1));
    return result;
  }

  private static Section section(ByteBuffer file, int headers, int index) {
    int at = headers + index * SECTION_HEADER;
    return new Section(file.getInt(at + 4), file.getLong(at + 24), file.getLong(at + 32));
  }
}
