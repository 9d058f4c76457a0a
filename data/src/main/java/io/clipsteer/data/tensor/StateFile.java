// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import io.clipsteer.data.InputException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32C;

/**
 * State that a stopped training resumes from: a safetensors file with a checksum of its content. A
 * bit that flipped in a moment or a weight would otherwise go unseen into the finished model.
 */
public final class StateFile {
  private static final String CHECKSUM = "crc32c";
  private static final int CHUNK = 1 << 24;
  private static final String REMEDY = "Resume from another copy of it, or start in a new folder";

  private StateFile() {}

  /**
   * Writes {@code file} whole or not at all.
   *
   * @param notes the caller's own
   */
  public static void write(Path file, Collection<StoredTensor> tensors, Map<String, String> notes) {
    Map<String, String> metadata = new LinkedHashMap<>(notes);
    metadata.put(CHECKSUM, checksum(tensors, notes));
    SafeTensors.write(file, tensors, metadata);
  }

  /**
   * Opens what {@link #write} wrote.
   *
   * @throws InputException when it is missing, damaged, or no such file
   */
  public static TensorFile open(Path file) {
    if (!Files.isRegularFile(file)) {
      throw new InputException(file, "is missing", "Start without --resume");
    }
    if (!Files.isReadable(file)) {
      throw new InputException(file, "may not be read", "Check its rights");
    }
    TensorFile opened;
    try {
      opened = SafeTensors.open(file);
    } catch (InputException e) {
      throw new InputException(file, "is a damaged state", REMEDY, e);
    }
    try {
      Map<String, String> notes = new LinkedHashMap<>(opened.metadata());
      String claimed = notes.remove(CHECKSUM);
      if (claimed == null) {
        throw new InputException(
            file, "has no checksum: another version wrote it", "Resume with that version");
      }
      if (!claimed.equals(checksum(opened.tensors().values(), notes))) {
        throw new InputException(file, "is damaged: its checksum does not fit", REMEDY);
      }
      return opened;
    } catch (Throwable t) {
      opened.close();
      throw t;
    }
  }

  private static String checksum(Collection<StoredTensor> tensors, Map<String, String> notes) {
    CRC32C crc = new CRC32C();
    new TreeMap<>(notes).forEach((key, value) -> add(crc, key + "=" + value + "\n"));
    tensors.stream()
        .sorted(Comparator.comparing(StoredTensor::name))
        .forEach(
            tensor -> {
              String shape = Arrays.toString(tensor.shape());
              add(crc, tensor.name() + " " + tensor.dtype() + " " + shape + "\n");
              add(crc, tensor.bytes());
            });
    return HexFormat.of().toHexDigits((int) crc.getValue());
  }

  private static void add(CRC32C crc, String text) {
    crc.update(text.getBytes(StandardCharsets.UTF_8));
  }

  private static void add(CRC32C crc, MemorySegment bytes) {
    for (long at = 0; at < bytes.byteSize(); at += CHUNK) {
      crc.update(bytes.asSlice(at, Math.min(CHUNK, bytes.byteSize() - at)).asByteBuffer());
    }
  }
}
