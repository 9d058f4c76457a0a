// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.store;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.Folders;
import io.clipsteer.data.folder.WorkFolder;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;

/**
 * Fills a store, shard by shard. A shard covers a fixed range of the source's images, so that
 * shards can be filled in any order and by any process: their bytes are the same. A shard's data is
 * written before the line that makes it count; a process killed at any instant loses at most the
 * shard it was filling.
 */
public final class StoreWriter implements AutoCloseable {
  /** Of a store's folder: a finished store that was damaged is repaired by resuming. */
  public static final WorkFolder.FolderLayout LAYOUT =
      new WorkFolder.FolderLayout(null, List.of("shards"));

  private final Path store;
  private final StoreFormat format;
  private final Arena arena = Arena.ofShared();
  private final List<MemorySegment> filling = new ArrayList<>();
  private final List<String> ids = new ArrayList<>();
  private final NavigableMap<Long, Map.Entry<String, String>> skipped = new TreeMap<>();
  private int shard;
  private long last;

  private StoreWriter(Path store, StoreFormat format) {
    this.store = store;
    this.format = format;
    long bytes = format.bytesPerImage() * format.imagesPerShard();
    for (int i = 0; i < format.hookPoints().size(); i++) filling.add(arena.allocate(bytes));
  }

  /**
   * Starts a store, or opens the one that lies there.
   *
   * @param store a folder that no other process writes at this moment
   * @throws InputException when a store of another format lies there
   */
  public static StoreWriter open(Path store, StoreFormat format) {
    format.checked(store);
    AtomicFiles.sweep(store);
    if (!Files.isRegularFile(store.resolve(StoreFormat.FILE))) {
      AtomicFiles.writeJson(store.resolve(StoreFormat.FILE), format);
    }
    return join(store, format);
  }

  /**
   * Opens a store that other processes fill at the same time, each its own shards.
   *
   * @throws InputException when there is none, or one of another format
   */
  public static StoreWriter join(Path store, StoreFormat format) {
    if (!StoreFormat.read(store).equals(format)) {
      throw new InputException(
          store,
          "holds a store of other hook points, tokens, images or of another model",
          "Repeat the command that it was started with, or name a new folder");
    }
    return new StoreWriter(store, format);
  }

  /**
   * {@code complete.json}.
   *
   * @param consumed images of the source that were read
   */
  private record Complete(int shards, long images, long tokens, long consumed, int skipped) {}

  /**
   * What a finished store holds.
   *
   * @param skipped reasons by image, in the source's order of shards
   */
  public record StoreContent(long images, Map<String, String> skipped) {}

  /** Shards of a source. */
  public int shards(long count) {
    return Math.toIntExact(Math.ceilDiv(count, format.imagesPerShard()));
  }

  /**
   * Whether a shard is complete, with its checksums: reads its data.
   *
   * @param count images of the source; {@link Long#MAX_VALUE} where it is not known
   */
  public boolean isWhole(int number, long count) {
    Shard one = Shard.read(store, number, format);
    return one != null
        && one.consumed() == Math.min(count, first(number + 1))
        && one.isWhole(store, number, format);
  }

  /**
   * Continues with another shard; what was added to the one before is dropped.
   *
   * @param number of the shard
   */
  public void seek(int number) {
    shard = number;
    last = first(number);
    ids.clear();
    skipped.clear();
  }

  private long first(int number) {
    return (long) number * format.imagesPerShard();
  }

  /**
   * Notes an image of the source that could not be used, at any time before a later image is added.
   *
   * @param position its place in the source, from 0
   */
  public void skip(String id, long position, String reason) {
    skipped.put(position, Map.entry(id, reason));
  }

  /**
   * Adds an image. One behind the shard that is being filled completes it.
   *
   * @param position its place in the source, from 0, after that of the image before
   * @param activations for each hook point, in the format's order, native F32 [tokens,width]
   */
  public void add(String id, long position, List<MemorySegment> activations) {
    if (position < last) throw new IllegalArgumentException("position " + position + " again");
    if (activations.size() != format.hookPoints().size()) {
      throw new IllegalArgumentException(activations.size() + " hook points");
    }
    while (position >= first(shard + 1)) flush(first(shard + 1));
    TokenCodec codec = format.codec();
    long stride = codec.bytes(format.width());
    for (int p = 0; p < activations.size(); p++) {
      MemorySegment from = activations.get(p);
      if (from.byteSize() != 4L * format.tokensPerImage() * format.width()) {
        throw new IllegalArgumentException(from.byteSize() + " bytes of activations");
      }
      for (int t = 0; t < format.tokensPerImage(); t++) {
        codec.encode(
            from,
            4L * t * format.width(),
            format.width(),
            filling.get(p),
            ids.size() * format.bytesPerImage() + t * stride);
      }
    }
    ids.add(id);
    last = position + 1;
  }

  /**
   * Completes the shards up to a place in the source: all images before it were added or skipped.
   *
   * @param position the end of a shard, or of the source
   */
  public void complete(long position) {
    while (first(shard) < position) flush(Math.min(position, first(shard + 1)));
  }

  private void flush(long end) {
    Map<String, String> hashes = new TreeMap<>();
    for (int p = 0; p < filling.size(); p++) {
      String point = format.hookPoints().get(p);
      MemorySegment bytes = filling.get(p).asSlice(0, ids.size() * format.bytesPerImage());
      AtomicFiles.write(
          Shard.data(store, shard, point), channel -> AtomicFiles.writeFully(channel, bytes));
      hashes.put(point, Hashes.sha256(bytes));
    }
    Map<String, String> without = new LinkedHashMap<>();
    skipped.headMap(end).values().forEach(skip -> without.put(skip.getKey(), skip.getValue()));
    skipped.headMap(end).clear();
    new Shard(ids, end, without, hashes).write(store, shard);
    shard++;
    last = end;
    ids.clear();
  }

  /**
   * Writes the line that makes the store complete.
   *
   * @param count images of the source
   * @throws InputException when a shard is missing, or no image could be used
   */
  public StoreContent finish(long count) {
    int shards = shards(count);
    long images = 0;
    Map<String, String> without = new LinkedHashMap<>();
    for (int number = 0; number < shards; number++) {
      Shard one = Shard.read(store, number, format);
      if (one == null || one.consumed() != Math.min(count, first(number + 1))) {
        throw new InputException(
            Shard.file(store, number), "is missing or not full", "harvest with --resume makes it");
      }
      images += one.images().size();
      without.putAll(one.skipped());
    }
    if (images == 0) {
      Folders.delete(store.resolve("shards")); // Nothing to resume.
      throw new InputException(store, "no image could be used", "Name images that can be read");
    }
    AtomicFiles.writeJson(
        store.resolve(ActivationStore.COMPLETE),
        new Complete(shards, images, images * format.tokensPerImage(), count, without.size()));
    return new StoreContent(images, without);
  }

  @Override
  public void close() {
    arena.close();
  }
}
