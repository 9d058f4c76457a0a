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
 * @param consumed place in the source after its last image: where the next shard begins
 * @param skipped images left out since the shard before, with the reason
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
    skipped = Map.copyOf(skipped);
    sha256 = Map.copyOf(sha256);
  }

  static Path data(Path store, int number, String hookPoint) {
    return store.resolve(String.format(Locale.ROOT, "shards/%06d.%s.bin", number, hookPoint));
  }

  static Path file(Path store, int number) {
    return store.resolve(String.format(Locale.ROOT, "shards/%06d.json", number));
  }

  /** Whether its data is there, as long as it must be, and what it was when it was written. */
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
    AtomicFiles.writeJson(
        file(store, number),
        new Shard(images, consumed, new TreeMap<>(skipped), new TreeMap<>(sha256)).sorted());
  }

  /** Equal shards give equal files. */
  private Map<String, Object> sorted() {
    Map<String, Object> json = new TreeMap<>();
    json.put("images", images);
    json.put("consumed", consumed);
    json.put("skipped", new TreeMap<>(skipped));
    json.put("sha256", new TreeMap<>(sha256));
    return json;
  }

  /** Null when there is no such shard. */
  static @Nullable Shard read(Path store, int number, StoreFormat format) {
    Path file = file(store, number);
    if (!Files.isRegularFile(file)) return null;
    try {
      Shard shard = JSON.readValue(Files.readAllBytes(file), Shard.class);
      if (shard == null
          || shard.images().isEmpty()
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
