// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Files that Python wrote (bench/peers/make_tensor_golden.py), against what Python put in. */
class GoldenTest {
  static final Path GOLDEN = Path.of("src/test/resources/tensor");
  private static final Map<String, DType> TORCH =
      Map.of(
          "torch.float64", DType.F64,
          "torch.float32", DType.F32,
          "torch.float16", DType.F16,
          "torch.bfloat16", DType.BF16,
          "torch.int64", DType.I64,
          "torch.int32", DType.I32,
          "torch.int16", DType.I16,
          "torch.int8", DType.I8,
          "torch.uint8", DType.U8,
          "torch.bool", DType.BOOL);

  @TempDir Path folder;

  private static JsonNode json(String name) throws IOException {
    return JsonMapper.shared().readTree(Files.readString(GOLDEN.resolve(name)));
  }

  @Test
  void readsEveryElementType() throws IOException {
    JsonNode values = json("dtypes.json");
    try (TensorFile open = SafeTensors.open(GOLDEN.resolve("dtypes.safetensors"))) {
      assertEquals(values.size(), open.tensors().size());
      assertEquals(Map.of("format", "pt"), open.metadata());
      values.forEachEntry((name, expected) -> check(open.get(name), expected));
    }
  }

  private static void check(StoredTensor tensor, JsonNode expected) {
    assertEquals(TORCH.get(expected.get("dtype").asString()), tensor.dtype());
    List<Long> shape = new ArrayList<>();
    for (long extent : tensor.shape()) shape.add(extent);
    assertEquals(expected.get("shape").valueStream().map(JsonNode::asLong).toList(), shape);
    JsonNode values = expected.get("values");
    assertEquals(values.size(), tensor.elements());
    for (int i = 0; i < values.size(); i++) {
      assertEquals(values.get(i).asDouble(), tensor.get(i), tensor.name());
    }
  }

  @Test
  void writesTheBytesPythonWrites() throws IOException {
    Path golden = GOLDEN.resolve("dtypes.safetensors");
    Path ours = folder.resolve("ours.safetensors");
    try (TensorFile open = SafeTensors.open(golden)) {
      SafeTensors.write(ours, open.tensors().values(), open.metadata());
    }
    assertEquals(-1, Files.mismatch(golden, ours));
  }

  @TestFactory
  Stream<DynamicTest> checkpoints() throws IOException {
    TreeMap<String, JsonNode> cases = new TreeMap<>();
    json("expected.json").forEachEntry(cases::put);
    return cases.entrySet().stream()
        .map(e -> DynamicTest.dynamicTest(e.getKey(), () -> check(e.getKey(), e.getValue())));
  }

  private static void check(String name, JsonNode expected) {
    Path file = GOLDEN.resolve(name);
    JsonNode refused = expected.get("refused");
    if (refused != null) {
      var error = assertThrows(InputException.class, () -> TensorFile.open(file).close());
      refused.forEach(
          word -> assertTrue(error.toString().contains(word.asString()), error::toString));
      return;
    }
    Map<String, String> metadata = new TreeMap<>();
    expected.get("metadata").forEachEntry((k, v) -> metadata.put(k, v.asString()));
    try (TensorFile ours = TensorFile.open(file);
        TensorFile python = SafeTensors.open(GOLDEN.resolve(name + ".expected.safetensors"))) {
      assertEquals(
          new TreeSet<>(python.tensors().keySet()), new TreeSet<>(ours.tensors().keySet()));
      assertEquals(metadata, new TreeMap<>(ours.metadata()));
      for (StoredTensor wanted : python.tensors().values()) {
        StoredTensor got = ours.get(wanted.name());
        assertEquals(wanted.toString(), got.toString());
        assertArrayEquals(
            wanted.bytes().toArray(ValueLayout.JAVA_BYTE),
            got.bytes().toArray(ValueLayout.JAVA_BYTE),
            wanted.name());
      }
    }
  }
}
