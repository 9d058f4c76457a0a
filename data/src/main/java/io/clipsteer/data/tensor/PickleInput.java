// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import static io.clipsteer.data.tensor.MappedFile.I16;
import static io.clipsteer.data.tensor.MappedFile.I32;
import static io.clipsteer.data.tensor.MappedFile.I64;

import io.clipsteer.data.InputException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** The bytes of a pickle, read forwards; never past their end. */
final class PickleInput {
  private static final ValueLayout.OfDouble F64_BIG =
      ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  private final Path file;
  private final MemorySegment bytes;
  private final Budget budget;
  private final byte[] scratch = new byte[1024];
  private long at;

  PickleInput(Path file, MemorySegment bytes, Budget budget) {
    this.file = file;
    this.bytes = bytes;
    this.budget = budget;
  }

  int u8() {
    return bytes.get(ValueLayout.JAVA_BYTE, take(1)) & 0xff;
  }

  int u16() {
    return bytes.get(I16, take(2)) & 0xffff;
  }

  int i32() {
    return bytes.get(I32, take(4));
  }

  long u32() {
    return i32() & 0xffff_ffffL;
  }

  /** Eight bytes; a negative value is refused where that many bytes are read. */
  long i64() {
    return bytes.get(I64, take(8));
  }

  /** Pickles hold floats with the high byte first. */
  double f64() {
    return bytes.get(F64_BIG, take(8));
  }

  void skip(long count) {
    take(count);
  }

  /** {@code count} ≤ 8 bytes as a signed little-endian integer. */
  long signed(int count) {
    long from = take(count);
    long value = 0;
    for (int i = 0; i < count; i++) {
      value |= (bytes.get(ValueLayout.JAVA_BYTE, from + i) & 0xffL) << (8 * i);
    }
    int unused = 64 - 8 * count;
    return count == 0 ? 0 : value << unused >> unused;
  }

  String text(long count) {
    long from = take(count);
    if (count > scratch.length) {
      budget.spendText(count);
      byte[] copy = bytes.asSlice(from, count).toArray(ValueLayout.JAVA_BYTE);
      return new String(copy, StandardCharsets.UTF_8);
    }
    int n = (int) count;
    MemorySegment.copy(bytes, ValueLayout.JAVA_BYTE, from, scratch, 0, n);
    boolean ascii = true;
    for (int i = 0; i < n; i++) ascii &= scratch[i] >= 0;
    budget.spend(64 + (ascii ? 1L : 4L) * n);
    return new String(scratch, 0, n, StandardCharsets.UTF_8);
  }

  /** Text up to the next line feed, which is consumed. */
  String line() {
    long end = at;
    while (end < bytes.byteSize() && bytes.get(ValueLayout.JAVA_BYTE, end) != '\n') end++;
    String text = text(end - at);
    take(1);
    return text;
  }

  InputException bad(String what) {
    return new InputException(
        file,
        "its pickle " + what + " (byte " + at + ")",
        "The file is damaged or not a torch checkpoint: download or save it again");
  }

  private long take(long count) {
    if (count < 0 || count > bytes.byteSize() - at) {
      throw bad("ends where " + Long.toUnsignedString(count) + " bytes should follow");
    }
    long from = at;
    at += count;
    return from;
  }
}
