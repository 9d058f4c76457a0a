// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.core.json.JsonWriteFeature;

/**
 * Files in the safetensors format: an eight-byte length, a JSON header of that length, then the
 * tensors' bytes. Files are mapped, so those larger than memory open at once; a file must not be
 * truncated by another program while it is open.
 */
public final class SafeTensors {
  /** The Python package's order of element types: widest first, so that all lie aligned. */
  private static final List<DType> ORDER =
      List.of(
          DType.I64,
          DType.F64,
          DType.F32,
          DType.I32,
          DType.BF16,
          DType.F16,
          DType.I16,
          DType.I8,
          DType.U8,
          DType.BOOL);

  private static final JsonFactory FACTORY =
      JsonFactory.builder().disable(JsonWriteFeature.ESCAPE_FORWARD_SLASHES).build();

  private SafeTensors() {}

  /**
   * Opens one file.
   *
   * @throws InputException when the file is missing or breaks the format: a header longer than 100
   *     MB or than the file, text that is not strict JSON, a name twice, an unknown element type, a
   *     shape that does not fit its bytes, bytes that overlap, remain or lie outside
   */
  public static TensorFile open(Path file) {
    return TensorFile.map(file, SafeTensors::read);
  }

  /**
   * Writes {@code file} whole or not at all. The bytes depend only on the tensors and the metadata:
   * they are those the Python package writes, in its order (element type, then name).
   *
   * @throws InputException when two tensors share a name, a tensor's bytes do not fit its shape, or
   *     the disk refuses
   */
  public static void write(
      Path file, Collection<StoredTensor> tensors, Map<String, String> metadata) {
    List<StoredTensor> sorted =
        tensors.stream()
            .sorted(
                Comparator.comparingInt((StoredTensor t) -> ORDER.indexOf(t.dtype()))
                    .thenComparing(StoredTensor::name))
            .toList();
    byte[] header = header(file, sorted, metadata);
    AtomicFiles.write(
        file,
        channel -> {
          ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
          AtomicFiles.writeFully(channel, length.putLong(header.length).flip());
          AtomicFiles.writeFully(channel, ByteBuffer.wrap(header));
          for (StoredTensor tensor : sorted) AtomicFiles.writeFully(channel, tensor.bytes());
        });
  }

  private static byte[] header(Path file, List<StoredTensor> sorted, Map<String, String> metadata) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    Map<String, StoredTensor> seen = new TreeMap<>();
    try (JsonGenerator json = FACTORY.createGenerator(ObjectWriteContext.empty(), out)) {
      json.writeStartObject();
      if (!metadata.isEmpty()) {
        json.writeName("__metadata__");
        json.writeStartObject();
        new TreeMap<>(metadata).forEach(json::writeStringProperty);
        json.writeEndObject();
      }
      long offset = 0;
      for (StoredTensor tensor : sorted) {
        check(file, tensor);
        if (seen.put(tensor.name(), tensor) != null) {
          throw new InputException(
              file, "two tensors are called " + tensor.name(), "Give each its own name");
        }
        offset = writeEntry(json, tensor, offset);
      }
      json.writeEndObject();
    }
    int unpadded = out.size();
    // Spaces up to a multiple of eight keep the data aligned in a mapping of the file.
    byte[] header = Arrays.copyOf(out.toByteArray(), (unpadded + 7) & -8);
    Arrays.fill(header, unpadded, header.length, (byte) ' ');
    return header;
  }

  private static long writeEntry(JsonGenerator json, StoredTensor tensor, long offset) {
    long end = offset + tensor.bytes().byteSize();
    json.writeName(tensor.name());
    json.writeStartObject();
    json.writeStringProperty("dtype", tensor.dtype().name());
    json.writeName("shape");
    json.writeArray(tensor.shape(), 0, tensor.shape().length);
    json.writeName("data_offsets");
    json.writeArray(new long[] {offset, end}, 0, 2);
    json.writeEndObject();
    return end;
  }

  private static void check(Path file, StoredTensor tensor) {
    if (tensor.name().equals("__metadata__")) {
      throw new InputException(file, "a tensor is called __metadata__", "The format reserves it");
    }
    if (tensor.dtype().byteSize(tensor.shape()) != tensor.bytes().byteSize()) {
      throw new InputException(
          file,
          "tensor " + tensor + " has " + tensor.bytes().byteSize() + " bytes",
          "Its shape takes another number of bytes");
    }
  }

  /** Reads the header of a mapped file. */
  static TensorFile read(Path file, MemorySegment bytes, Arena arena) {
    // Only without a header: its length may look like the first bytes of another format.
    if (!FileKind.hasHeader(bytes)) FileKind.refuseForeign(file, bytes);
    return new SafeTensorsHeader(file, bytes).read(arena);
  }
}
