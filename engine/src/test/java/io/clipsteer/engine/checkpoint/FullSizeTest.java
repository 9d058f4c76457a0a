// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.Device;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Full-size models of the recent families: names and shapes as the libraries build them
 * (bench/peers/make_shape_lists.py). Every tensor is used and none is missing, and no weight takes
 * memory: the files are holes.
 */
final class FullSizeTest {
  private static final Path LISTS = Path.of("src/test/resources/shapes.jsonl.gz");

  @TempDir private Path temp;

  /** A folder as the library saves it. */
  record Listed(JsonNode row) {
    JsonNode tensors() {
      return row.get("tensors");
    }

    @Override
    public String toString() {
      return row.get("library").asString() + " " + row.get("name").asString();
    }
  }

  static Stream<Listed> models() throws IOException {
    List<Listed> models = new ArrayList<>();
    try (var in = new GZIPInputStream(Files.newInputStream(LISTS));
        var lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        models.add(new Listed(JsonMapper.shared().readTree(line)));
      }
    }
    return models.stream();
  }

  @ParameterizedTest
  @MethodSource("models")
  void everyTensorHasItsPlace(Listed model) throws IOException {
    try (ClipModel plan = ClipModel.plan(folder(model.row))) {
      long weights = 0;
      for (JsonNode shape : model.tensors()) weights += elements(shape);
      for (String name : plan.source().ignored()) {
        assertTrue(
            name.matches("head\\..*|embeddings\\.mask_token|(text\\.)?attn_mask"),
            name + " is ignored");
        weights -= elements(model.tensors().get(name));
      }
      assertEquals(weights, plan.source().parameters());
      assertEquals(Device.NONE, plan.vision().device());
      if (model.row.get("library").asString().equals("open_clip")) assertNotNull(plan.text());
    }
  }

  @Test
  void aTransposedOrMissingTensorIsNamed() throws IOException {
    JsonNode row =
        models().filter(m -> m.toString().endsWith("PE-Core-B-16")).findFirst().orElseThrow().row;
    String name = "visual.trunk.attn_pool.kv.weight";
    ObjectNode tensors = (ObjectNode) row.get("tensors");
    JsonNode shape = tensors.get(name);
    tensors.putArray(name).add(shape.get(1)).add(shape.get(0));
    assertRefused(row, name);
    tensors.remove(name);
    assertRefused(row, name);
  }

  private void assertRefused(JsonNode row, String name) throws IOException {
    Path folder = folder(row);
    InputException e = assertThrows(InputException.class, () -> ClipModel.plan(folder));
    assertTrue(String.valueOf(e.getMessage()).contains(name), e::getMessage);
  }

  /** The folder's files; the weights are F16 and all zero, which no disk stores. */
  private Path folder(JsonNode row) throws IOException {
    for (var file : row.get("files").properties()) {
      Files.write(
          temp.resolve(file.getKey()), JsonMapper.shared().writeValueAsBytes(file.getValue()));
    }
    ObjectNode header = JsonMapper.shared().createObjectNode();
    long end = 0;
    for (var tensor : row.get("tensors").properties()) {
      long size = 2 * elements(tensor.getValue());
      ObjectNode entry = header.putObject(tensor.getKey()).put("dtype", "F16");
      entry.set("shape", tensor.getValue());
      entry.putArray("data_offsets").add(end).add(end + size);
      end += size;
    }
    byte[] bytes = JsonMapper.shared().writeValueAsBytes(header);
    try (var file =
        new RandomAccessFile(temp.resolve(row.get("weights").asString()).toFile(), "rw")) {
      file.setLength(8 + bytes.length + end);
      ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
      file.write(length.putLong(bytes.length).array());
      file.write(bytes);
    }
    return temp;
  }

  private static long elements(JsonNode shape) {
    long n = 1;
    for (JsonNode extent : shape) n *= extent.asLong();
    return n;
  }
}
