// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.preprocess;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.json.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Every field of an image processor's configuration against what transformers 5.24 makes of it
 * (bench/peers/make_hf_fields_golden.py).
 */
final class ImageProcessorsTest {
  private static final RgbImage IMAGE = image();

  @TempDir private Path temp;

  /** The image that the script describes. */
  private static RgbImage image() {
    byte[] rgb = new byte[3 * 26 * 20];
    for (int y = 0; y < 20; y++) {
      for (int x = 0; x < 26; x++) {
        int at = 3 * (26 * y + x);
        rgb[at] = (byte) (7 * x + 3 * y);
        rgb[at + 1] = (byte) (11 * y + x * x);
        rgb[at + 2] = (byte) (x * y);
      }
    }
    return new RgbImage(26, 20, rgb);
  }

  private static @Nullable Preprocessing read(JsonNode config) {
    try {
      return Preprocessing.fromHuggingFace(
          JsonObject.of(config, "the config"), "CLIPImageProcessor");
    } catch (InputException e) {
      assertEquals(1, String.valueOf(e.getMessage()).lines().count(), e.getMessage());
      return null;
    }
  }

  private static boolean equal(Preprocessing ours, JsonNode theirs) {
    JsonNode shape = theirs.get("shape");
    if (shape.get(1).asInt() != ours.height() || shape.get(2).asInt() != ours.width()) return false;
    float[] values = ours.apply(IMAGE);
    JsonNode some = theirs.get("some");
    int step = Math.max(1, values.length / 11);
    for (int i = 0; i < some.size(); i++) {
      double wanted = some.get(i).asDouble();
      if (Math.abs(values[i * step] - wanted) > 2e-6 * Math.max(1, Math.abs(wanted))) return false;
    }
    return true;
  }

  @Test
  void everyFieldIsReadAsTheLibraryDoesOrRefused() throws IOException {
    List<String> lines = Files.readAllLines(Path.of("src/test/resources/images/processors.jsonl"));
    List<String> wrong = new ArrayList<>();
    int same = 0;
    for (String line : lines.subList(1, lines.size())) {
      JsonNode record = JsonMapper.shared().readTree(line);
      Preprocessing ours = read(record.get("config"));
      JsonNode theirs = record.get("outcome");
      if (ours == null) continue;
      if (!theirs.isObject() || !equal(ours, theirs)) wrong.add("\n" + line + "\n is " + ours);
      else same++;
    }
    assertEquals(List.of(), wrong);
    // Refused are padding, other orders of axes, other sizes and what nobody knows.
    assertTrue(same > 650, same + " of " + lines.size() + " read");
  }

  @Test
  void fieldsOfOtherProcessorsAreNamed() {
    for (String field : List.of("do_flip_channel_order", "size_divisor", "crop_pct", "max_size")) {
      InputException e =
          assertThrows(
              InputException.class,
              () ->
                  Preprocessing.fromHuggingFace(
                      json("{\"" + field + "\":1}"), "ViTImageProcessor"));
      assertTrue(String.valueOf(e.getMessage()).contains(field), e.getMessage());
    }
  }

  /** Case 11: transformers 5 writes the processor into another file, which wins. */
  @Test
  void theProcessorConfigWins() throws IOException {
    Files.writeString(
        temp.resolve("processor_config.json"),
        """
        {"image_processor": {"image_processor_type": "CLIPImageProcessorFast", "image_mean": [0.5, 0.5, 0.5],
         "image_std": [0.25, 0.25, 0.25], "size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}},
         "processor_class": "CLIPProcessor"}
        """);
    Preprocessing read = folder();
    assertEquals(64, read.height());
    assertEquals((1 - 0.5) / 0.25, read.value(0, 255), 1e-6);
    // The old file beside it says another thing, and transformers does not look at it.
    Files.writeString(
        temp.resolve("preprocessor_config.json"), "{\"size\": 32, \"crop_size\": 32}");
    assertEquals(64, folder().height());
    // Without the object the old file is read.
    for (String without :
        List.of("{\"processor_class\": \"CLIPProcessor\"}", "{\"image_processor\": null}")) {
      Files.writeString(temp.resolve("processor_config.json"), without);
      assertEquals(32, folder().height());
    }
    Files.writeString(
        temp.resolve("processor_config.json"), "{\"image_processor\": {\"sise\": 3}}");
    assertTrue(
        String.valueOf(assertThrows(InputException.class, this::folder).getMessage())
            .contains("sise"));
    Files.writeString(temp.resolve("processor_config.json"), "{\"image_processor\": 3}");
    assertThrows(InputException.class, this::folder);
    Files.delete(temp.resolve("processor_config.json"));
    Files.delete(temp.resolve("preprocessor_config.json"));
    assertEquals(null, Preprocessing.ofHuggingFaceFolder(temp, "CLIPImageProcessor"));
  }

  private Preprocessing folder() {
    Preprocessing read = Preprocessing.ofHuggingFaceFolder(temp, "CLIPImageProcessor");
    if (read == null) throw new AssertionError("nothing read");
    return read;
  }

  /** A file that names no processor has the one of its model. */
  @Test
  void theModelSaysWhichProcessorIsMeant() {
    Preprocessing vit = Preprocessing.fromHuggingFace(json("{}"), "ViTImageProcessor");
    assertEquals(1, vit.value(0, 255), 1e-6);
    Preprocessing deit =
        Preprocessing.fromHuggingFace(json("{\"size\": 256}"), "DeiTImageProcessor");
    assertEquals(224, deit.height());
    assertEquals(new Resizing.Exact(256, 256), deit.resizing());
    Preprocessing dino =
        Preprocessing.fromHuggingFace(json("{\"size\": 256}"), "BitImageProcessor");
    assertEquals(new Resizing.Shortest(256), dino.resizing());
  }

  /** open_clip passes over null, and checks the rest; other fields are refused by name. */
  @Test
  void openClipsFieldsAreClosed() {
    for (String name :
        List.of("size", "mode", "mean", "std", "interpolation", "resize_mode", "fill_color")) {
      Preprocessing absent = Preprocessing.fromOpenClip(json("{}"), 0);
      assertEquals(
          absent.toString(),
          Preprocessing.fromOpenClip(json("{\"" + name + "\":null}"), 0).toString());
    }
    for (String bad :
        List.of(
            "\"interpolation\":\"nearest\"",
            "\"fill_color\":1.5",
            "\"crop_pct\":0.9",
            "\"Mean\":1")) {
      assertThrows(
          InputException.class, () -> Preprocessing.fromOpenClip(json("{" + bad + "}"), 0), bad);
    }
  }

  /** timm takes null for its default; other fields of a pretrained_cfg are refused by name. */
  @Test
  void timmsFieldsAreClosed() {
    String plain = Preprocessing.fromTimm(json("{\"pretrained_cfg\":{}}")).toString();
    for (String name :
        List.of("input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std")) {
      String json = "{\"pretrained_cfg\":{\"" + name + "\":null}}";
      assertEquals(plain, Preprocessing.fromTimm(json(json)).toString());
    }
    for (String known : List.of("tag", "license", "test_crop_pct", "test_input_size", "notes")) {
      String json = "{\"pretrained_cfg\":{\"" + known + "\":1}}";
      assertEquals(plain, Preprocessing.fromTimm(json(json)).toString());
    }
    for (String bad :
        List.of("\"crop_percent\":1", "\"interpolation\":\"BICUBIC\"", "\"Mean\":1")) {
      assertThrows(
          InputException.class,
          () -> Preprocessing.fromTimm(json("{\"pretrained_cfg\":{" + bad + "}}")),
          bad);
    }
  }

  private static JsonObject json(String text) {
    return JsonObject.parse(text, "the config");
  }
}
