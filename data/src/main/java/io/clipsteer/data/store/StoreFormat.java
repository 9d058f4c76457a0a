// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.store;

import com.fasterxml.jackson.annotation.JsonAlias;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.json.JsonFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.json.JsonMapper;

/**
 * What a store holds, as its {@code store.json} says it; written first and never changed.
 *
 * @param protocol 3; 1 and 2 are read
 * @param model SHA-256 of the weights
 * @param images where the images came from
 * @param listing SHA-256 of the images' ids in order
 * @param preprocessing in words
 * @param hookPoints in peers' style, each once
 * @param tokens all, cls or patches
 * @param tokensPerImage stored tokens of an image
 * @param prefixTokens how many of them stand before the patches
 * @param gridRows patches from top to bottom
 * @param gridColumns patches from left to right
 * @param width numbers of a token
 * @param dtype fp32, bf16 or int8
 * @param imageBatch images that went through the tower at once: sums in a product may depend on it
 * @param imagesPerShard places in the source that a shard covers; whole batches. Until protocol 2
 *     the images of every shard but the last
 */
public record StoreFormat(
    int protocol,
    String model,
    String images,
    String listing,
    String preprocessing,
    @JsonAlias("hookPoints") List<String> hookPoints,
    String tokens,
    @JsonAlias("tokensPerImage") int tokensPerImage,
    @JsonAlias("prefixTokens") int prefixTokens,
    @JsonAlias("gridRows") int gridRows,
    @JsonAlias("gridColumns") int gridColumns,
    int width,
    String dtype,
    @JsonAlias("imageBatch") int imageBatch,
    @JsonAlias("imagesPerShard") int imagesPerShard) {
  /**
   * What is written. Of protocol 1, which is read as well, keys were in camelCase; until 2, all
   * shards but the last were full.
   */
  public static final int PROTOCOL = 3;

  static final String FILE = "store.json";
  private static final long MAX_SIZE = 1 << 20;
  private static final JsonMapper JSON =
      JsonFile.MAPPER
          .rebuild()
          .enable(DeserializationFeature.FAIL_ON_NULL_CREATOR_PROPERTIES)
          .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
          .build();

  /** Keeps a copy. */
  public StoreFormat {
    hookPoints = List.copyOf(hookPoints);
  }

  /** How tokens are written. */
  public TokenCodec codec() {
    return TokenCodec.valueOf(dtype.toUpperCase(Locale.ROOT));
  }

  /** Bytes of one hook point's tokens of one image. */
  public long bytesPerImage() {
    return tokensPerImage * codec().bytes(width);
  }

  /** Bytes of a whole store of {@code count} images, for a forecast. */
  public long bytes(long count) {
    return Math.multiplyExact(Math.multiplyExact(bytesPerImage(), hookPoints.size()), count);
  }

  static StoreFormat read(Path folder) {
    Path file = folder.resolve(FILE);
    try {
      if (Files.size(file) > MAX_SIZE) {
        throw new InputException(file, "is larger than 1 MiB", "It is no store's description");
      }
      StoreFormat format = JSON.readValue(Files.readAllBytes(file), StoreFormat.class);
      if (format == null) throw new InputException(file, "is empty", "Harvest again");
      return format.checked(file);
    } catch (NoSuchFileException e) {
      throw new InputException(folder, "is no store: it has no " + FILE, "Name a store", e);
    } catch (IOException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Check its rights", e);
    } catch (JacksonException e) {
      throw new InputException(file, "describes no store: " + Reasons.of(e), "Harvest again", e);
    }
  }

  /** Refuses what would lead out of the folder or past any memory. */
  StoreFormat checked(Path where) {
    need(where, protocol >= 1 && protocol <= PROTOCOL, "protocol " + protocol);
    need(where, !hookPoints.isEmpty() && hookPoints.size() <= 4096, "hook points");
    need(where, new HashSet<>(hookPoints).size() == hookPoints.size(), "hook points");
    for (String point : hookPoints) {
      need(where, point.matches("[A-Za-z0-9_]+(\\.[A-Za-z0-9_]+)*"), "hook point " + point);
    }
    need(where, dtype.matches("fp32|bf16|int8"), "dtype " + dtype);
    need(where, tokens.matches("all|cls|patches"), "tokens " + tokens);
    need(where, width >= 1 && width <= 1 << 20, "width " + width);
    need(where, tokensPerImage >= 1 && tokensPerImage <= 1 << 20, "tokens an image");
    need(where, prefixTokens >= 0 && prefixTokens <= tokensPerImage, "prefix tokens");
    need(where, imageBatch >= 1 && imagesPerShard % imageBatch == 0, "batch");
    need(where, imagesPerShard >= 1 && imagesPerShard <= 1 << 24, "images a shard");
    need(where, bytesPerImage() * imagesPerShard <= 1L << 40, "bytes of a shard");
    long patches = (long) gridRows * gridColumns;
    need(where, gridRows >= 0 && gridColumns >= 0, "grid");
    need(where, tokens.equals("cls") || prefixTokens + patches == tokensPerImage, "grid");
    return this;
  }

  private static void need(Path where, boolean holds, String what) {
    if (!holds) {
      throw new InputException(where, what + " cannot be", "The file is damaged: harvest again");
    }
  }
}
