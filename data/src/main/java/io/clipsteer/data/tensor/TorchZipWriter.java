// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.zip.CRC32;

/**
 * Writes an {@code OrderedDict} of tensors as {@code torch.save} does: a ZIP of stored entries
 * whose data begin at multiples of 64 bytes. Entries carry no time of day, so equal tensors give
 * equal bytes.
 */
final class TorchZipWriter {
  private static final String ROOT = "archive/";
  private static final int ALIGNMENT = 64;
  private static final long LIMIT = 0xffff_ffffL;

  /** Bytes handed to the checksum at once. */
  private static final long CHUNK = 1 << 20;

  /** 1 January 1980, the first day that a ZIP can name. */
  private static final int DATE = 0x0021;

  private record Entry(byte[] name, MemorySegment bytes, int crc, long offset, int padding) {}

  private final List<Entry> entries = new ArrayList<>();
  private long at;

  private TorchZipWriter() {}

  static void write(Path file, Collection<StoredTensor> tensors, String preamble) {
    TorchZipWriter writer = new TorchZipWriter();
    writer.add("data.pkl", MemorySegment.ofArray(pickle(file, tensors)));
    writer.add("byteorder", ascii("little"));
    int n = 0;
    for (StoredTensor tensor : tensors) writer.add("data/" + n++, tensor.bytes());
    writer.add("version", ascii("3\n"));
    if (writer.at > LIMIT) {
      throw new InputException(
          file,
          "would have " + writer.at + " bytes; torch files are written up to 4 GiB here",
          "Write safetensors");
    }
    AtomicFiles.write(
        file,
        channel -> {
          AtomicFiles.writeFully(
              channel, ByteBuffer.wrap(preamble.getBytes(StandardCharsets.UTF_8)));
          writer.writeTo(channel);
        });
  }

  private static MemorySegment ascii(String text) {
    return MemorySegment.ofArray(text.getBytes(StandardCharsets.US_ASCII));
  }

  private void add(String name, MemorySegment bytes) {
    byte[] full = (ROOT + name).getBytes(StandardCharsets.UTF_8);
    CRC32 crc = new CRC32();
    for (long i = 0; i < bytes.byteSize(); i += CHUNK) {
      crc.update(bytes.asSlice(i, Math.min(CHUNK, bytes.byteSize() - i)).asByteBuffer());
    }
    // An extra field of its own takes four bytes before its content.
    long data = at + 30 + full.length + 4;
    int padding = (int) ((ALIGNMENT - data % ALIGNMENT) % ALIGNMENT);
    entries.add(new Entry(full, bytes, (int) crc.getValue(), at, padding));
    at = data + padding + bytes.byteSize();
  }

  private void writeTo(WritableByteChannel channel) throws IOException {
    for (Entry entry : entries) {
      ByteBuffer header = buffer(30 + entry.name().length + 4 + entry.padding());
      header.putInt(0x04034b50).putShort((short) 20);
      common(header, entry).putShort((short) (4 + entry.padding())).put(entry.name());
      header.putShort((short) 0x4246).putShort((short) entry.padding());
      AtomicFiles.writeFully(channel, header.rewind());
      AtomicFiles.writeFully(channel, entry.bytes());
    }
    int size = 0;
    for (Entry entry : entries) {
      ByteBuffer record = buffer(46 + entry.name().length);
      record.putInt(0x02014b50).putShort((short) 20).putShort((short) 20);
      common(record, entry).putShort((short) 0).putShort((short) 0).putShort((short) 0);
      record.putShort((short) 0).putInt(0).putInt((int) entry.offset()).put(entry.name());
      AtomicFiles.writeFully(channel, record.rewind());
      size += record.capacity();
    }
    short count = (short) entries.size();
    ByteBuffer end = buffer(22).putInt(0x06054b50).putShort((short) 0).putShort((short) 0);
    end.putShort(count).putShort(count).putInt(size).putInt((int) at).putShort((short) 0);
    AtomicFiles.writeFully(channel, end.rewind());
  }

  /** Flags, method, time, date, checksum, both sizes and the name's length. */
  private static ByteBuffer common(ByteBuffer to, Entry entry) {
    int size = (int) entry.bytes().byteSize();
    to.putShort((short) 0).putShort((short) 0).putShort((short) 0).putShort((short) DATE);
    return to.putInt(entry.crc()).putInt(size).putInt(size).putShort((short) entry.name().length);
  }

  private static ByteBuffer buffer(int size) {
    return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
  }

  // ---- the pickle ---------------------------------------------------------------------------

  /** Protocol 2, with only what {@code torch.load(weights_only=True)} allows. */
  private static byte[] pickle(Path file, Collection<StoredTensor> tensors) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(new byte[] {(byte) 0x80, 2});
    global(out, "collections", "OrderedDict");
    out.writeBytes(new byte[] {')', 'R', '('});
    Set<String> names = new HashSet<>();
    int n = 0;
    for (StoredTensor tensor : tensors) {
      if (!names.add(tensor.name())) {
        throw new InputException(
            file, "two tensors are called " + tensor.name(), "Give each its own name");
      }
      text(out, tensor.name());
      tensor(out, tensor, n++);
    }
    out.writeBytes(new byte[] {'u', '.'});
    return out.toByteArray();
  }

  private static void tensor(ByteArrayOutputStream out, StoredTensor tensor, int key) {
    if (tensor.dtype().byteSize(tensor.shape()) != tensor.bytes().byteSize()) {
      throw new IllegalArgumentException(tensor + " has " + tensor.bytes().byteSize() + " bytes");
    }
    global(out, "torch._utils", "_rebuild_tensor_v2");
    out.writeBytes(new byte[] {'(', '('});
    text(out, "storage");
    global(out, "torch", TorchGlobals.storageName(tensor.dtype()));
    text(out, Integer.toString(key));
    text(out, "cpu");
    number(out, tensor.elements());
    out.writeBytes(new byte[] {'t', 'Q', 'K', 0, '('});
    long[] shape = tensor.shape();
    for (long extent : shape) number(out, extent);
    out.writeBytes(new byte[] {'t', '('});
    for (int i = 0; i < shape.length; i++) {
      long stride = 1;
      for (int j = i + 1; j < shape.length; j++) stride *= shape[j];
      number(out, stride);
    }
    out.writeBytes(new byte[] {'t', (byte) 0x89}); // no gradient
    global(out, "collections", "OrderedDict");
    out.writeBytes(new byte[] {')', 'R', 't', 'R'});
  }

  private static void global(ByteArrayOutputStream out, String module, String name) {
    out.write('c');
    out.writeBytes((module + "\n" + name + "\n").getBytes(StandardCharsets.US_ASCII));
  }

  private static void text(ByteArrayOutputStream out, String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    out.write('X');
    out.writeBytes(buffer(4).putInt(utf8.length).array());
    out.writeBytes(utf8);
  }

  private static void number(ByteArrayOutputStream out, long value) {
    if (value <= Integer.MAX_VALUE) {
      out.write('J');
      out.writeBytes(buffer(4).putInt((int) value).array());
    } else {
      out.writeBytes(new byte[] {(byte) 0x8a, 8});
      out.writeBytes(buffer(8).putLong(value).array());
    }
  }
}
