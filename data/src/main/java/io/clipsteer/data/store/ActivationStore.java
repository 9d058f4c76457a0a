// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.store;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * A finished store, open for reading. Tokens are numbered image by image, within an image as the
 * tower has them. Files are mapped: memory does not grow with the store.
 */
public final class ActivationStore implements AutoCloseable {
  static final String COMPLETE = "complete.json";

  private final Path store;
  private final StoreFormat format;
  private final Arena arena;
  private final List<Shard> shards;
  private final List<List<MemorySegment>> data;
  private final long images;

  private ActivationStore(
      Path store,
      StoreFormat format,
      Arena arena,
      List<Shard> shards,
      List<List<MemorySegment>> data) {
    this.store = store;
    this.format = format;
    this.arena = arena;
    this.shards = shards;
    this.data = data;
    this.images = shards.stream().mapToLong(shard -> shard.images().size()).sum();
  }

  /**
   * Opens a store.
   *
   * @throws InputException when it is not finished, or a file is missing or of the wrong length
   */
  public static ActivationStore open(Path store) {
    StoreFormat format = StoreFormat.read(store);
    if (!Files.isRegularFile(store.resolve(COMPLETE))) {
      throw new InputException(store, "is not finished", "Resume it with harvest --resume");
    }
    Arena arena = Arena.ofShared();
    try {
      List<Shard> shards = new ArrayList<>();
      List<List<MemorySegment>> data = new ArrayList<>();
      for (Shard shard = Shard.read(store, 0, format);
          shard != null;
          shard = Shard.read(store, shards.size(), format)) {
        List<MemorySegment> files = new ArrayList<>();
        for (String point : format.hookPoints()) {
          Path file = Shard.data(store, shards.size(), point);
          files.add(map(file, arena, shard.images().size() * format.bytesPerImage()));
        }
        if (!shards.isEmpty() && shards.getLast().images().size() != format.imagesPerShard()) {
          throw new InputException(
              Shard.file(store, shards.size() - 1), "is not full", "Harvest again");
        }
        shards.add(shard);
        data.add(files);
      }
      if (shards.isEmpty()) throw new InputException(store, "has no shard", "Harvest again");
      return new ActivationStore(store, format, arena, shards, data);
    } catch (Throwable t) {
      arena.close();
      throw t;
    }
  }

  private static MemorySegment map(Path file, Arena arena, long bytes) {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      if (channel.size() != bytes) {
        throw new InputException(
            file,
            "has " + channel.size() + " bytes instead of " + bytes,
            "harvest with --resume makes it again");
      }
      return channel.map(FileChannel.MapMode.READ_ONLY, 0, bytes, arena);
    } catch (IOException e) {
      throw new InputException(file, "cannot be read", "harvest with --resume makes it again", e);
    }
  }

  /** What it holds. */
  public StoreFormat format() {
    return format;
  }

  /** Number of images. */
  public long images() {
    return images;
  }

  /** Number of tokens of each hook point. */
  public long tokens() {
    return images * format.tokensPerImage();
  }

  /** Row of a hook point, or −1. */
  public int hookPoint(String name) {
    return format.hookPoints().indexOf(name);
  }

  /** The id of a token's image. */
  public String image(long token) {
    long image = check(token) / format.tokensPerImage();
    Shard shard = shards.get((int) (image / format.imagesPerShard()));
    return shard.images().get((int) (image % format.imagesPerShard()));
  }

  private long check(long token) {
    if (token < 0 || token >= tokens()) {
      throw new IndexOutOfBoundsException("token " + token + " of " + tokens());
    }
    return token;
  }

  /**
   * Reads tokens in any order.
   *
   * @param hookPoint row in {@link StoreFormat#hookPoints}
   * @param tokens which
   * @param out native F32 [tokens.length,width], written
   */
  public void read(int hookPoint, long[] tokens, MemorySegment out) {
    TokenCodec codec = format.codec();
    int width = format.width();
    long stride = codec.bytes(width);
    for (int i = 0; i < tokens.length; i++) {
      long image = check(tokens[i]) / format.tokensPerImage();
      int place = (int) (tokens[i] % format.tokensPerImage());
      MemorySegment file = data.get((int) (image / format.imagesPerShard())).get(hookPoint);
      long at = (image % format.imagesPerShard()) * format.bytesPerImage() + place * stride;
      codec.decode(file, at, width, out, 4L * i * width);
    }
  }

  /** Size of all data files of so many hook points. */
  public long bytes(int hookPoints) {
    return images * format.bytesPerImage() * hookPoints;
  }

  /**
   * Compares the files of hook points with their checksums.
   *
   * @param hookPoints some of {@link StoreFormat#hookPoints}
   * @param progress takes the bytes of each file
   * @return the damaged files, empty when all is well
   */
  public List<Path> verify(Collection<String> hookPoints, LongConsumer progress) {
    List<Path> damaged = new ArrayList<>();
    for (int s = 0; s < shards.size(); s++) {
      for (int p = 0; p < format.hookPoints().size(); p++) {
        String point = format.hookPoints().get(p);
        if (!hookPoints.contains(point)) continue;
        MemorySegment bytes = data.get(s).get(p);
        @Nullable String recorded = shards.get(s).sha256().get(point);
        if (!Hashes.sha256(bytes).equals(recorded)) damaged.add(Shard.data(store, s, point));
        progress.accept(bytes.byteSize());
      }
    }
    return damaged;
  }

  /**
   * The first token that holds NaN or infinity, as models gave before these were refused.
   *
   * @param hookPoint row in {@link StoreFormat#hookPoints}
   * @return −1 where all are finite
   */
  public long firstNotFinite(int hookPoint) {
    try (Arena own = Arena.ofConfined()) {
      MemorySegment one = own.allocate(4L * format.width(), 4);
      for (long token = 0; token < tokens(); token++) {
        read(hookPoint, new long[] {token}, one);
        for (int i = 0; i < format.width(); i++) {
          if (!Float.isFinite(one.getAtIndex(ValueLayout.JAVA_FLOAT, i))) return token;
        }
      }
      return -1;
    }
  }

  @Override
  public void close() {
    arena.close();
  }
}
