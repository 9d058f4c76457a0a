// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.store;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.json.JsonFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.json.JsonMapper;

/**
 * One shard's {@code NNNNNN.json}, written after its data: a shard with it is complete.
 *
 * @param images ids of its images, in order
 * @param consumed place in the source where its range ends
 * @param skipped images of its range that could not be used, with the reason
 * @param sha256 of each hook point's data file
 */
record Shard(
    List<String> images, long consumed, Map<String, String> skipped, Map<String, String> sha256) {
  private static final JsonMapper JSON =
      JsonFile.MAPPER
          .rebuild()
          .enable(DeserializationFeature.FAIL_ON_NULL_CREATOR_PROPERTIES)
          .build();

  Shard {
    images = List.copyOf(images);
    // Sorted: equal shards give equal files.
    skipped = Collections.unmodifiableMap(new TreeMap<>(skipped));
    sha256 = Collections.unmodifiableMap(new TreeMap<>(sha256));
  }

  static Path data(Path store, int number, String hookPoint) {
    return store.resolve(String.format(Locale.ROOT, "shards/%06d.%s.bin", number, hookPoint));
  }

  static Path file(Path store, int number) {
    return store.resolve(String.format(Locale.ROOT, "shards/%06d.json", number));
  }

  /** Whether its data files have their length and their checksums. */
  boolean isWhole(Path store, int number, StoreFormat format) {
    for (String point : format.hookPoints()) {
      Path file = data(store, number, point);
      try {
        if (!Files.isRegularFile(file)
            || Files.size(file) != images.size() * format.bytesPerImage()
            || !Hashes.sha256(file).equals(sha256.get(point))) {
          return false;
        }
      } catch (IOException e) {
        return false;
      }
    }
    return true;
  }

  void write(Path store, int number) {
    AtomicFiles.writeJson(file(store, number), this);
  }

  /** Null when there is no such shard. */
  static @Nullable Shard read(Path store, int number, StoreFormat format) {
    Path file = file(store, number);
    if (!Files.isRegularFile(file)) return null;
    try {
      Shard shard = JSON.readValue(Files.readAllBytes(file), Shard.class);
      if (shard == null
          || shard.images().size() > format.imagesPerShard()
          || !shard.sha256().keySet().containsAll(format.hookPoints())) {
        throw new InputException(
            file, "does not fit the store", "Delete it and harvest with --resume");
      }
      return shard;
    } catch (JacksonException e) {
      throw new InputException(
          file, "describes no shard: " + Reasons.of(e), "Delete it and harvest with --resume", e);
    } catch (IOException e) {
      throw new InputException(file, "cannot be read", "Delete it and harvest with --resume", e);
    }
  }
}
