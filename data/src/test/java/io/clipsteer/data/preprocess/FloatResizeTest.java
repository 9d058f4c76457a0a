// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.preprocess;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.json.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * DINOv3's order, rescale then resize floats, on 50 images of odd sizes against transformers
 * (bench/peers/make_float_resize_golden.py).
 */
final class FloatResizeTest {
  private static final Path GOLDEN = Path.of("src/test/resources/images/float-resize.jsonl");
  private static final int STEP = 37;

  private static RgbImage image(int w, int h) {
    byte[] rgb = new byte[3 * w * h];
    for (int y = 0, i = 0; y < h; y++) {
      for (int x = 0; x < w; x++) {
        rgb[i++] = (byte) (7 * x + 3 * y);
        rgb[i++] = (byte) (11 * y + x * x);
        rgb[i++] = (byte) (x * y);
      }
    }
    return new RgbImage(w, h, rgb);
  }

  private static Preprocessing preprocessing(int width, int height, int resample) {
    String json =
        "{\"size\": {\"height\": %d, \"width\": %d}, \"resample\": %d}"
            .formatted(height, width, resample);
    return Preprocessing.fromHuggingFace(
        JsonObject.parse(json, "a test"), "DINOv3ViTImageProcessor");
  }

  @Test
  void floatsAreTorchvisions() throws IOException {
    List<String> lines = Files.readAllLines(GOLDEN);
    assertEquals(50, lines.size());
    double most = 0;
    double fromBytes = 0;
    for (String line : lines) {
      JsonNode row = JsonMapper.shared().readTree(line);
      var own =
          preprocessing(row.get("tw").asInt(), row.get("th").asInt(), row.get("resample").asInt());
      RgbImage in = image(row.get("w").asInt(), row.get("h").asInt());
      float[] made = own.apply(in);
      var bytes = new Preprocessing(own.resizing(), own.filter(), own.crop(), own.normalisation());
      float[] rounded = bytes.apply(in);
      JsonNode some = row.get("some");
      for (int i = 0; i < some.size(); i++) {
        most = Math.max(most, Math.abs(made[STEP * i] - some.get(i).asDouble()));
        fromBytes = Math.max(fromBytes, Math.abs(rounded[STEP * i] - some.get(i).asDouble()));
      }
    }
    double error = most;
    assertTrue(most <= 1e-5, () -> error + " off");
    // Half a level of 255 over the least deviation is 0.0087: the order is visible.
    assertTrue(fromBytes > 1e-3, "resizing bytes gives the same");
  }

  @Test
  void theOrderIsPartOfTheDescription() {
    var floats = preprocessing(32, 32, 2);
    assertTrue(floats.toString().endsWith("resized as floats"), floats::toString);
    var bytes =
        new Preprocessing(
            floats.resizing(), floats.filter(), floats.crop(), floats.normalisation());
    assertNotEquals(floats, bytes);
  }

  @Test
  void whatFloatsCannotDoIsRefused() {
    for (String json :
        List.of(
            "{\"size\": {\"height\": 32, \"width\": 32}, \"resample\": 1}",
            "{\"size\": {\"height\": 32, \"width\": 32}, \"do_center_crop\": true,"
                + " \"crop_size\": 16}",
            "{\"size\": {\"shortest_edge\": 32}}")) {
      assertThrows(
          InputException.class,
          () ->
              Preprocessing.fromHuggingFace(
                  JsonObject.parse(json, "a test"), "DINOv3ViTImageProcessor"));
    }
  }
}
