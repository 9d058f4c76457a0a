// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import io.clipsteer.data.InputException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/** The index of a checkpoint in several files: {@code weight_map} says which tensor lies where. */
final class ShardIndex {
  private static final int SHOWN = 50;

  /** Far more than any checkpoint has; each costs a disk access. */
  private static final int MAX_SHARDS = 512;

  private ShardIndex() {}

  /** Opens every shard; the result closes them all. */
  static TensorFile read(Path index, MemorySegment text, Arena arena) {
    Map<String, String> weightMap = readWeightMap(index, text);
    Path folder = index.toAbsolutePath().resolveSibling("");
    List<String> names = weightMap.values().stream().distinct().toList();
    checkShards(index, folder, names);
    Map<String, TensorFile> shards = new HashMap<>();
    Map<String, String> metadata = new HashMap<>();
    for (String name : names) {
      Path shard = folder.resolve(name);
      var contents = TensorFile.readOne(shard, MappedFile.map(shard, arena), arena);
      shards.put(name, contents);
      metadata.putAll(contents.metadata());
    }
    return new TensorFile(index, collect(index, weightMap, shards), metadata, arena);
  }

  private static LinkedHashMap<String, StoredTensor> collect(
      Path index, Map<String, String> weightMap, Map<String, TensorFile> shards) {
    LinkedHashMap<String, StoredTensor> tensors = new LinkedHashMap<>();
    weightMap.forEach(
        (name, shard) -> {
          TensorFile contents = shards.get(shard);
          StoredTensor tensor = contents == null ? null : contents.tensors().get(name);
          if (tensor == null) {
            throw new InputException(
                index,
                "tensor " + name + " should be in " + shard + " but is not",
                "Index and shards do not belong together: download them again");
          }
          tensors.put(name, tensor);
        });
    return tensors;
  }

  private static Map<String, String> readWeightMap(Path index, MemorySegment text) {
    LinkedHashMap<String, String> map = new LinkedHashMap<>();
    if (text.byteSize() > SafeTensorsHeader.MAX_HEADER) {
      throw new InputException(
          index, "is too large for an index: " + text.byteSize() + " bytes", "Check the path");
    }
    StrictJson.readObject(
        index, text, parser -> readIndex(index, parser, map, new Budget(index, text.byteSize())));
    if (map.isEmpty()) {
      throw new InputException(
          index,
          "has no weight_map that names tensors and their files",
          "Name a *.index.json, or the file of weights itself");
    }
    return map;
  }

  private static void readIndex(
      Path index, JsonParser parser, Map<String, String> map, Budget budget) {
    String key;
    while ((key = parser.nextName()) != null) {
      if (!key.equals("weight_map")) {
        skip(parser, budget);
        continue;
      }
      StrictJson.expectNext(index, parser, JsonToken.START_OBJECT);
      String name;
      while ((name = parser.nextName()) != null) {
        budget.spend(288 + 2L * name.length());
        if (map.put(name, StrictJson.nextString(index, parser)) != null) {
          throw new InputException(
              index, "tensor " + name + " is listed twice", "Download the index again");
        }
      }
    }
  }

  /** Skips a value; its names become strings all the same, and are charged. */
  private static void skip(JsonParser parser, Budget budget) {
    int depth = 0;
    do {
      JsonToken token = parser.nextToken();
      budget.spend(token == JsonToken.PROPERTY_NAME ? 96 : 2);
      if (token == null) return;
      if (token.isStructStart()) depth++;
      if (token.isStructEnd()) depth--;
    } while (depth > 0);
  }

  private static void checkShards(Path index, Path folder, List<String> names) {
    if (names.size() > MAX_SHARDS) {
      throw new InputException(
          index, "names " + names.size() + " shards; " + MAX_SHARDS + " are allowed", "Merge them");
    }
    for (String name : names) {
      if (!isPlainName(name)) {
        throw new InputException(
            index,
            "shard name \"" + name + "\" is not a plain file name",
            "An index may only name files in its own folder: do not trust this one");
      }
    }
    List<String> missing =
        names.stream().filter(n -> !Files.isRegularFile(folder.resolve(n))).toList();
    if (missing.isEmpty()) return;
    String list = String.join(", ", missing.subList(0, Math.min(SHOWN, missing.size())));
    String more = missing.size() > SHOWN ? " and " + (missing.size() - SHOWN) + " more" : "";
    throw new InputException(
        index,
        missing.size() + " of " + names.size() + " shards are missing: " + list + more,
        "Put them beside the index");
  }

  /** Colons are refused for drives and alternate streams of Windows. */
  private static boolean isPlainName(String name) {
    return !name.isEmpty()
        && name.length() <= 255
        && !name.equals(".")
        && !name.equals("..")
        && name.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || c < ' ');
  }
}
