// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.preprocess;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.Golden;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.json.JsonObject;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.json.JsonMapper;

/** Configurations of three tools against what the tools themselves make of the images. */
final class PreprocessingTest {
  @Test
  void givesTheToolsOwnFloats() {
    List<String> different = new ArrayList<>();
    for (Golden.Row row : Golden.rows("floats.tsv")) {
      Preprocessing preprocessing = parse(row.get("tool"), row.get("config"));
      RgbImage in = ImageDecoder.decode(Golden.bytes("files/" + row.get("file")), row);
      float[] values = preprocessing.apply(in);
      assertEquals(
          row.get("height") + " " + row.get("width"),
          preprocessing.height() + " " + preprocessing.width());
      ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
      bytes.asFloatBuffer().put(values);
      boolean equal = Golden.sha256(bytes.array()).equals(row.get("float32_sha256"));
      String[] some = row.get("some").split(" ");
      int step = Math.max(values.length / 7, 1);
      for (int i = 0; i < some.length; i++) {
        float wanted = Float.parseFloat(some[i]);
        if (Math.abs(values[i * step] - wanted) > 1e-6 * Math.max(1, Math.abs(wanted))) {
          different.add(row.cells() + " at " + i + " is " + values[i * step]);
        }
      }
      if (!equal) different.add("not bit-equal: " + row.cells());
    }
    assertEquals(List.of(), different);
  }

  @Test
  void writesIntoASegmentWhatItReturns() {
    Preprocessing clip = Preprocessing.clip(32);
    RgbImage in = ImageDecoder.decode(Golden.bytes("files/s420.jpg"), "s420");
    float[] alone = clip.apply(in);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment batch = arena.allocate(4L * 3 * clip.floats());
      clip.applyInto(in, batch, clip.floats());
      float[] second =
          batch.asSlice(4L * clip.floats(), 4L * clip.floats()).toArray(ValueLayout.JAVA_FLOAT);
      assertArrayEquals(alone, second);
      assertEquals(0f, batch.get(ValueLayout.JAVA_FLOAT, 0));
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "[]",
        "7",
        "{\"size\":0}",
        "{\"size\":-1}",
        "{\"size\":1000000000}",
        "{\"size\":\"224\"}",
        "{\"size\":224.5}",
        "{\"size\":{}}",
        "{\"size\":{\"height\":3}}",
        "{\"crop_size\":[224]}",
        "{\"crop_size\":{\"height\":1e99,\"width\":3}}",
        "{\"resample\":9}",
        "{\"resample\":\"bicubic\"}",
        "{\"image_std\":[0,1,1]}",
        "{\"image_std\":[1,1]}",
        "{\"image_mean\":[\"a\",1,1]}",
        "{\"do_resize\":3}",
        "{\"do_center_crop\":false}",
        "{\"rescale_factor\":-1}",
        "{\"image_processor_type\":\"FunnyProcessor\"}"
      })
  void refusesWhatMakesNoSense(String json) {
    InputException e = assertThrows(InputException.class, () -> parse("hf", json));
    assertTrue(e.toString().contains("Exception: the config"), e.toString());
  }

  @Test
  void refusesNonsenseOfTheOtherDialects() {
    for (String json :
        List.of("{\"size\":[1,2,3]}", "{\"resize_mode\":\"x\"}", "{\"mode\":\"L\"}")) {
      assertThrows(InputException.class, () -> parse("open_clip", json));
    }
    for (String json : List.of("{\"input_size\":[1,2,3]}", "{\"crop_pct\":0}", "{\"mean\":[]}")) {
      assertThrows(InputException.class, () -> parse("timm", json));
    }
  }

  private static Preprocessing parse(String tool, String json) {
    var node = JsonMapper.shared().readTree(json);
    return switch (tool) {
      case "hf" ->
          Preprocessing.fromHuggingFace(JsonObject.of(node, "the config"), "CLIPImageProcessor");
      case "open_clip" -> Preprocessing.fromOpenClip(JsonObject.of(node, "the config"), 0);
      default -> Preprocessing.fromTimm(JsonObject.of(node, "the config"));
    };
  }
}
