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
  private final long[] firsts;

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
    firsts = new long[shards.size() + 1];
    for (int s = 0; s < shards.size(); s++) {
      firsts[s + 1] = firsts[s] + shards.get(s).images().size();
    }
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
        requireNext(store, format, shards, shard);
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

  /** A shard that was cut short would shift all tokens after it. */
  private static void requireNext(Path store, StoreFormat format, List<Shard> before, Shard shard) {
    if (before.isEmpty()) return;
    Shard last = before.getLast();
    boolean full =
        format.protocol() < 3 || last.consumed() == (long) before.size() * format.imagesPerShard();
    if (full && shard.consumed() > last.consumed()) return;
    throw new InputException(Shard.file(store, before.size() - 1), "is not full", "Harvest again");
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
    return firsts[shards.size()];
  }

  /** The shard of an image: not before the one that it had if all were full. */
  private int shard(long image) {
    int number = (int) (image / format.imagesPerShard());
    while (image >= firsts[number + 1]) number++;
    return number;
  }

  /** Number of tokens of each hook point. */
  public long tokens() {
    return images() * format.tokensPerImage();
  }

  /** Row of a hook point, or −1. */
  public int hookPoint(String name) {
    return format.hookPoints().indexOf(name);
  }

  /** The id of a token's image. */
  public String image(long token) {
    long image = check(token) / format.tokensPerImage();
    int number = shard(image);
    return shards.get(number).images().get((int) (image - firsts[number]));
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
      int number = shard(image);
      MemorySegment file = data.get(number).get(hookPoint);
      long at = (image - firsts[number]) * format.bytesPerImage() + place * stride;
      codec.decode(file, at, width, out, 4L * i * width);
    }
  }

  /** Size of all data files of so many hook points. */
  public long bytes(int hookPoints) {
    return images() * format.bytesPerImage() * hookPoints;
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
