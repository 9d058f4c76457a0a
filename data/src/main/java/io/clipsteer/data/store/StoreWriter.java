// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.store;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.WorkFolder;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Fills a store, shard by shard. A shard's data is written before the line that makes it count, so
 * that a process killed at any instant loses at most the shard it was filling; {@link #open}
 * continues after the last complete one, and the finished store has the same bytes.
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
  private final TreeMap<Long, Map.Entry<String, String>> skipped = new TreeMap<>();
  private int shards;
  private long consumed;
  private long last;
  private long images;

  private StoreWriter(Path store, StoreFormat format) {
    this.store = store;
    this.format = format;
    long bytes = format.bytesPerImage() * format.imagesPerShard();
    for (int i = 0; i < format.hookPoints().size(); i++) filling.add(arena.allocate(bytes));
  }

  /**
   * Starts a store, or continues the one that lies there after its last whole shard.
   *
   * @param store a folder that nobody else writes
   * @throws InputException when a store of another format lies there
   */
  public static StoreWriter open(Path store, StoreFormat format) {
    format.checked(store);
    AtomicFiles.sweep(store);
    if (!Files.isRegularFile(store.resolve(StoreFormat.FILE))) {
      AtomicFiles.writeJson(store.resolve(StoreFormat.FILE), format);
    } else if (!StoreFormat.read(store).equals(format)) {
      throw new InputException(
          store,
          "holds a store of other hook points, tokens, images or of another model",
          "Repeat the command that it was started with, or name a new folder");
    }
    StoreWriter writer = new StoreWriter(store, format);
    // A shard whose data is not what it was is harvested again, and all after it.
    for (Shard shard = writer.next(); shard != null; shard = writer.next()) {
      if (!shard.isWhole(store, writer.shards, format)) break;
      if (shard.consumed() < writer.consumed + shard.images().size()) break;
      writer.shards++;
      writer.consumed = shard.consumed();
      writer.last = shard.consumed();
      writer.images += shard.images().size();
    }
    return writer;
  }

  /**
   * {@code complete.json}.
   *
   * @param consumed images of the source that were read
   * @param skippedAfter ids of the images skipped after the last one stored
   */
  private record Complete(
      int shards, long images, long tokens, long consumed, List<String> skippedAfter) {}

  private @Nullable Shard next() {
    return Shard.read(store, shards, format);
  }

  /** Images of the source that complete shards cover: where to resume. */
  public long consumed() {
    return consumed;
  }

  /** Images in complete shards. */
  public long images() {
    return images;
  }

  /**
   * Notes an image of the source that could not be used, at any time before a later image is added.
   *
   * @param position its place in the source, from 0
   */
  public void skip(String id, long position, String reason) {
    if (position >= consumed) skipped.put(position, Map.entry(id, reason));
  }

  /**
   * Adds an image.
   *
   * @param position its place in the source, from 0, after that of the image before
   * @param activations for each hook point, in the format's order, native F32 [tokens,width]
   */
  public void add(String id, long position, List<MemorySegment> activations) {
    if (position < last) throw new IllegalArgumentException("position " + position + " again");
    if (activations.size() != format.hookPoints().size()) {
      throw new IllegalArgumentException(activations.size() + " hook points");
    }
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
    if (ids.size() == format.imagesPerShard()) flush();
  }

  private void flush() {
    Map<String, String> hashes = new TreeMap<>();
    for (int p = 0; p < filling.size(); p++) {
      String point = format.hookPoints().get(p);
      MemorySegment bytes = filling.get(p).asSlice(0, ids.size() * format.bytesPerImage());
      AtomicFiles.write(
          Shard.data(store, shards, point), channel -> AtomicFiles.writeFully(channel, bytes));
      hashes.put(point, Hashes.sha256(bytes));
    }
    Map<String, String> left = new LinkedHashMap<>();
    skipped.headMap(last).values().forEach(skip -> left.put(skip.getKey(), skip.getValue()));
    skipped.headMap(last).clear();
    new Shard(ids, last, left, hashes).write(store, shards);
    consumed = last;
    images += ids.size();
    shards++;
    ids.clear();
  }

  /**
   * Writes what is left and the line that makes the store complete.
   *
   * @return images in the store
   */
  public long finish() {
    if (!ids.isEmpty()) flush();
    if (images == 0) {
      throw new InputException(store, "no image could be used", "Name images that can be read");
    }
    List<String> after = skipped.values().stream().map(Map.Entry::getKey).toList();
    AtomicFiles.writeJson(
        store.resolve(ActivationStore.COMPLETE),
        new Complete(shards, images, images * format.tokensPerImage(), consumed, after));
    return images;
  }

  @Override
  public void close() {
    arena.close();
  }
}
