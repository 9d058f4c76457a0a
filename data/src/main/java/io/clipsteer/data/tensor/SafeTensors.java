// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import io.clipsteer.data.InputException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Files in the safetensors format: an eight-byte length, a JSON header of that length, then the
 * tensors' bytes. Files are mapped, so those larger than memory open at once; a file must not be
 * truncated by another program while it is open.
 */
public final class SafeTensors {
  private SafeTensors() {}

  /** What one file of tensors holds. */
  record TensorIndex(LinkedHashMap<String, StoredTensor> tensors, Map<String, String> metadata) {}

  /**
   * Opens one file.
   *
   * @throws InputException when the file is missing or breaks the format: a header longer than 100
   *     MB or than the file, text that is not strict JSON, a name twice, an unknown element type, a
   *     shape that does not fit its bytes, bytes that overlap, remain or lie outside
   */
  public static TensorFile open(Path file) {
    Arena arena = Arena.ofShared();
    try {
      TensorIndex contents = read(file, MappedFile.map(file, arena));
      return new TensorFile(file, contents.tensors(), contents.metadata(), arena);
    } catch (Throwable t) {
      arena.close();
      throw t;
    }
  }

  /**
   * Opens a checkpoint in several files through its index ({@code model.safetensors.index.json}).
   *
   * @throws InputException when the index is not such an index, names a file outside its folder, or
   *     when shards (all are named) or tensors are missing
   */
  public static TensorFile openSharded(Path indexJson) {
    return ShardIndex.open(indexJson, (shard, bytes, arena) -> read(shard, bytes));
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
    SafeTensorsWriter.write(file, tensors, metadata);
  }

  /** Reads the header of a mapped file. */
  static TensorIndex read(Path file, MemorySegment bytes) {
    // Only without a header: its length may look like the first bytes of another format.
    if (!FileKind.hasHeader(bytes)) FileKind.refuseForeign(file, bytes);
    return new SafeTensorsHeader(file, bytes).read();
  }
}
