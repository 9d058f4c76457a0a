// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.SharedData;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafeTensorsTest {
  @TempDir Path folder;

  @Test
  void writesAndReadsBack() {
    Path file = folder.resolve("a.safetensors");
    var floats = StoredTensor.ofFloats("w", new float[] {1, -2.5f, 3}, 3, 1);
    var scalar = StoredTensor.ofFloats("scalar", new float[] {7});
    var none = StoredTensor.ofFloats("none", new float[0], 0, 5);
    var flags =
        new StoredTensor(
            "flags", DType.BOOL, new long[] {3}, MemorySegment.ofArray(new byte[] {1, 0, 1}));
    SafeTensors.write(file, List.of(flags, floats, none, scalar), Map.of("format", "pt/\"ü"));
    try (TensorFile open = SafeTensors.open(file)) {
      assertEquals(List.of("none", "scalar", "w", "flags"), List.copyOf(open.tensors().keySet()));
      assertArrayEquals(new float[] {1, -2.5f, 3}, open.get("w").toFloats());
      assertArrayEquals(new long[] {3, 1}, open.get("w").shape());
      assertEquals(7, open.get("scalar").get(0));
      assertEquals(0, open.get("scalar").shape().length);
      assertEquals(0, open.get("none").elements());
      assertArrayEquals(new float[] {1, 0, 1}, open.get("flags").toFloats());
      assertEquals(Map.of("format", "pt/\"ü"), open.metadata());
    }
  }

  @Test
  void readsTheModel() {
    try (TensorFile open =
        SafeTensors.open(SharedData.require("vit-tiny-clip/open_clip_model.safetensors"))) {
      assertTrue(open.tensors().size() > 50);
    }
  }

  @Test
  void refusesEachBreachByName() throws IOException {
    String good = "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}";
    breach("header has 99", 99, "{" + good + "}", 4);
    breach("listed twice", "{" + good + "," + good + "}", 4);
    breach("bad JSON", "{" + good + ",}", 4);
    breach("text after", "{" + good + "} {}", 4);
    breach("element type F8", "{\"a\":{\"dtype\":\"F8\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
    breach("not what F32[2]", "{" + good.replace("[1]", "[2]") + "}", 4);
    breach("negative size -1", "{" + good.replace("[1]", "[-1]") + "}", 4);
    breach(
        "not what",
        "{" + good.replace("[1]", "[4611686018427387904,4611686018427387904]") + "}",
        4);
    breach("lies at [0, 4] of 3", "{" + good + "}", 3);
    breach("1 bytes that belong to no tensor", "{" + good + "}", 5);
    breach("overlaps", "{" + good + "," + good.replace("\"a\"", "\"b\"") + "}", 4);
    breach("leaves a hole", "{" + good.replace("[0,4]", "[4,8]") + "}", 8);
    breach("lacks its dtype", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
    breach("dtype twice", "{" + good.replace("\"shape\"", "\"dtype\":\"F32\",\"shape\"") + "}", 4);
    breach("unknown field x", "{" + good.replace("\"shape\"", "\"x\":1,\"shape\"") + "}", 4);
    breach(
        "START_ARRAY where START_OBJECT belongs",
        "{\"a\":" + "[".repeat(50) + "]".repeat(50) + "}",
        0);
  }

  private void breach(String message, String header, int data) throws IOException {
    breach(message, header.getBytes(StandardCharsets.UTF_8).length, header, data);
  }

  private void breach(String message, long length, String header, int data) throws IOException {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    ByteBuffer bytes = ByteBuffer.allocate(8 + json.length + data).order(ByteOrder.LITTLE_ENDIAN);
    bytes.putLong(length).put(json);
    Path file = Files.write(folder.resolve("bad.safetensors"), bytes.array());
    var error = assertThrows(InputException.class, () -> SafeTensors.open(file), header);
    assertTrue(error.toString().contains(message), error.toString());
  }
}
