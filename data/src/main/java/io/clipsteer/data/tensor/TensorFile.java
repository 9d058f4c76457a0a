// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import io.clipsteer.data.InputException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;

/** An open file of named tensors. Its tensors' bytes are readable until {@link #close}. */
public final class TensorFile implements AutoCloseable {
  private final Path path;
  private final SequencedMap<String, StoredTensor> tensors;
  private final Map<String, String> metadata;
  private final Arena arena;

  /** Reads a mapped file; what it allocates belongs to the arena, which the result closes. */
  interface MappedReader {
    TensorFile read(Path file, MemorySegment bytes, Arena arena);
  }

  TensorFile(
      Path path,
      SequencedMap<String, StoredTensor> tensors,
      Map<String, String> metadata,
      Arena arena) {
    this.path = path;
    this.tensors = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(tensors));
    this.metadata = Map.copyOf(metadata);
    this.arena = arena;
  }

  /**
   * Opens a safetensors file, a torch checkpoint, or the index of either in shards; recognised by
   * the content, whatever the file is called.
   *
   * @throws InputException when it is none of them, or as {@link SafeTensors} and {@link TorchZip}
   */
  public static TensorFile open(Path file) {
    return map(
        file,
        (index, bytes, arena) ->
            FileKind.of(file, bytes) == FileKind.SHARD_INDEX
                ? ShardIndex.read(index, bytes, arena)
                : readOne(index, bytes, arena));
  }

  /** Reads a file that is no index. */
  static TensorFile readOne(Path file, MemorySegment bytes, Arena arena) {
    return switch (FileKind.of(file, bytes)) {
      case SAFETENSORS -> SafeTensors.read(file, bytes, arena);
      case TORCH_ZIP -> TorchZip.read(file, bytes, arena);
      case SHARD_INDEX ->
          throw new InputException(file, "is an index inside an index", "Name the weights");
    };
  }

  static TensorFile map(Path file, MappedReader reader) {
    Arena arena = Arena.ofShared();
    try {
      return reader.read(file, MappedFile.map(file, arena), arena);
    } catch (Throwable t) {
      arena.close();
      throw t;
    }
  }

  /** The file, or the index file of a sharded checkpoint. */
  public Path path() {
    return path;
  }

  /** Every tensor by name, in the file's order. */
  public SequencedMap<String, StoredTensor> tensors() {
    return tensors;
  }

  /** The tensor called {@code name}; an error that names it when it is absent. */
  public StoredTensor get(String name) {
    StoredTensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new InputException(
          path, "tensor " + name + " is missing", "The file has " + tensors.size() + " others");
    }
    return tensor;
  }

  /** Free text pairs that came with the tensors; empty when the format has none. */
  public Map<String, String> metadata() {
    return metadata;
  }

  @Override
  public void close() {
    arena.close();
  }
}
