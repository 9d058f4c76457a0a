// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * One random fault of a model folder, as files have them.
 *
 * @param what in words
 * @param dropped path of the configuration field that went; null for other faults
 */
record FolderChange(String what, @Nullable String dropped) {
  private static final JsonMapper JSON = JsonMapper.shared();
  private static final List<String> WRAPPERS =
      List.of("_orig_mod.", "module.", "module._orig_mod.", "model.", "base_model.", "clip.");

  /** A field lost, null, under another name, of another kind, or one too many. */
  static FolderChange ofConfig(Path folder, byte[] config, Random random) throws IOException {
    ObjectNode root = (ObjectNode) JSON.readTree(config);
    List<String> paths = new ArrayList<>();
    paths(root, "", paths);
    String path = paths.get(random.nextInt(paths.size()));
    int slash = path.lastIndexOf('/');
    ObjectNode node = slash < 0 ? root : (ObjectNode) root.get(path.substring(0, slash));
    String field = path.substring(slash + 1);
    int kind = random.nextInt(5);
    JsonNode value = node.get(field);
    String what =
        switch (kind) {
          case 0 -> {
            node.remove(field);
            yield "without " + path;
          }
          case 1 -> {
            node.putNull(field);
            yield path + " null";
          }
          case 2 -> {
            String other = mutated(field, random);
            node.remove(field);
            node.set(other, value);
            yield path + " named " + other;
          }
          case 3 -> {
            JsonNode other = otherKind(value, random);
            node.set(field, other);
            yield path + " = " + other;
          }
          default -> {
            String more = mutated(field, random);
            node.set(more, value);
            yield "also " + more;
          }
        };
    Files.write(folder.resolve("config.json"), JSON.writeValueAsBytes(root));
    return new FolderChange(what, kind == 0 ? path : null);
  }

  private static void paths(ObjectNode node, String prefix, List<String> into) {
    for (var field : node.properties()) {
      into.add(prefix + field.getKey());
      if (field.getValue() instanceof ObjectNode inner) {
        paths(inner, prefix + field.getKey() + "/", into);
      }
    }
  }

  private static String mutated(String name, Random random) {
    int at = random.nextInt(name.length());
    char c = (char) ('a' + random.nextInt(26));
    return switch (random.nextInt(4)) {
      case 0 -> name.substring(0, at) + c + name.substring(at);
      case 1 -> name.substring(0, at) + c + name.substring(at + 1) + "_";
      case 2 -> name.replace("_", "") + c;
      default -> "_" + name;
    };
  }

  private static JsonNode otherKind(JsonNode value, Random random) {
    return switch (random.nextInt(7)) {
      case 0 -> JSON.valueToTree(value.toString().replace("\"", "") + " ");
      case 1 -> JSON.valueToTree(List.of(value));
      case 2 -> JSON.valueToTree(Map.of("value", value));
      case 3 -> JSON.valueToTree(List.of());
      case 4 -> JSON.valueToTree(value.isBoolean() ? "true" : value.isNumber() ? "8" : 8.5);
      case 5 -> JSON.valueToTree(-7);
      // Half of a whole number; another number would be another model.
      default -> JSON.valueToTree(value.isIntegralNumber() ? value.asDouble() + 0.5 : "1");
    };
  }

  /** A tensor lost, renamed, there twice, unknown, of another kind or shape. */
  static FolderChange ofTensors(Path folder, byte[] weights, Random random) throws IOException {
    Path file = folder.resolve("model.safetensors");
    Files.write(file, weights);
    Path next = folder.resolve("next");
    String what;
    try (TensorFile tensors = SafeTensors.open(file)) {
      List<StoredTensor> all = new ArrayList<>(tensors.tensors().values());
      int at = random.nextInt(all.size());
      StoredTensor one = all.get(at);
      what = one.name() + ": ";
      switch (random.nextInt(7)) {
        case 0 -> {
          all.remove(at);
          what += "lost";
        }
        case 1 -> {
          String other = renamed(one.name(), random);
          all.set(at, named(one, other));
          what += "named " + other;
        }
        case 2 -> {
          String wrapper = WRAPPERS.get(random.nextInt(WRAPPERS.size()));
          all.replaceAll(t -> named(t, wrapper + t.name()));
          what = "all behind " + wrapper;
        }
        case 3 -> {
          String other = renamed(one.name(), random);
          all.add(named(one, other));
          what += "also as " + other;
        }
        case 4 -> {
          DType kind = List.of(DType.I8, DType.I32, DType.I64, DType.BOOL).get(random.nextInt(4));
          byte[] bytes = new byte[Math.toIntExact(one.elements() * kind.bytes())];
          all.set(
              at, new StoredTensor(one.name(), kind, one.shape(), MemorySegment.ofArray(bytes)));
          what += kind;
        }
        case 5 -> {
          long[] shape = reshaped(one.shape(), random);
          all.set(at, new StoredTensor(one.name(), one.dtype(), shape, one.bytes()));
          what += java.util.Arrays.toString(shape);
        }
        default -> {
          // The same numbers, twice as wide.
          double[] values = new double[Math.toIntExact(one.elements())];
          for (int i = 0; i < values.length; i++) values[i] = one.get(i);
          byte[] bytes = new byte[8 * values.length];
          java.nio.ByteBuffer.wrap(bytes)
              .order(java.nio.ByteOrder.LITTLE_ENDIAN)
              .asDoubleBuffer()
              .put(values);
          all.set(
              at,
              new StoredTensor(one.name(), DType.F64, one.shape(), MemorySegment.ofArray(bytes)));
          what += "in F64";
        }
      }
      SafeTensors.write(next, all, Map.of("format", "pt"));
    }
    Files.move(next, file, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    return new FolderChange(what, null);
  }

  private static StoredTensor named(StoredTensor tensor, String name) {
    return new StoredTensor(name, tensor.dtype(), tensor.shape(), tensor.bytes());
  }

  private static String renamed(String name, Random random) {
    String other = other(name, random);
    return other.equals(name) ? name + "_" : other;
  }

  private static String other(String name, Random random) {
    return switch (random.nextInt(4)) {
      case 0 -> name + ".default";
      case 1 -> name.replaceFirst("\\d+", "9");
      case 2 -> "encoder." + name;
      default -> mutated(name, random);
    };
  }

  private static long[] reshaped(long[] shape, Random random) {
    long n = 1;
    for (long extent : shape) n *= extent;
    return switch (random.nextInt(3)) {
      case 0 -> new long[] {1, 1, 1, 1, n};
      case 1 -> new long[] {n, 1, 1, 1, 1};
      default -> new long[] {1, n / 2 * 2 == n ? 2 : 1, n / 2 * 2 == n ? n / 2 : n, 1, 1};
    };
  }
}
