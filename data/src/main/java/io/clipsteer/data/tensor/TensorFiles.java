// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import io.clipsteer.data.InputException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** Opens tensors wherever they are. */
public final class TensorFiles {
  private TensorFiles() {}

  /**
   * Opens a safetensors file, a torch checkpoint, or the index of either in shards; recognised by
   * the content, whatever the file is called.
   *
   * @throws InputException when it is none of them, or as {@link SafeTensors} and {@link TorchZip}
   */
  public static TensorFile open(Path file) {
    Arena arena = Arena.ofShared();
    try {
      MemorySegment bytes = MappedFile.map(file, arena);
      FileKind kind = FileKind.of(file, bytes);
      if (kind != FileKind.SHARD_INDEX) {
        SafeTensors.TensorIndex contents = read(file, bytes, kind, arena);
        return new TensorFile(file, contents.tensors(), contents.metadata(), arena);
      }
    } catch (Throwable t) {
      arena.close();
      throw t;
    }
    arena.close();
    return ShardIndex.open(
        file, (shard, bytes, shards) -> read(shard, bytes, FileKind.of(shard, bytes), shards));
  }

  private static SafeTensors.TensorIndex read(
      Path file, MemorySegment bytes, FileKind kind, Arena arena) {
    return switch (kind) {
      case SAFETENSORS -> SafeTensors.read(file, bytes);
      case TORCH_ZIP -> TorchZip.read(file, bytes, arena);
      case SHARD_INDEX ->
          throw new InputException(file, "is an index inside an index", "Name the weights");
    };
  }
}
