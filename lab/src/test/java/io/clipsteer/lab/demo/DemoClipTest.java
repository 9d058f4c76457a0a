// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.demo;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.stats.Share;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.checkpoint.GoldenCheck;
import io.clipsteer.engine.checkpoint.Tokenizer;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The shipped CLIP: that it is what its manifest says, gives what transformers gives
 * (bench/peers/make_demo_golden.py), and knows and mistakes what it is said to.
 */
final class DemoClipTest {
  private static final Path GOLDEN = Path.of("src/test/resources/demo-clip");
  private static final int COUNT = 150;

  @TempDir private static Path folder;

  @BeforeAll
  static void unpack() {
    DemoClip.unpack(folder);
  }

  @Test
  void isWhatItsManifestSays() throws IOException {
    RunManifest manifest = RunManifest.read(folder);
    Map<String, String> files =
        Map.of("model", "model.safetensors", "tokenizer", "tokenizer.json", "log", "log.csv");
    files.forEach(
        (key, file) ->
            assertEquals(manifest.hashes().get(key), Hashes.sha256(folder.resolve(file)), file));
    PretrainConfig config = PretrainConfig.read(Path.of("../configs/demo-clip.yaml"));
    JsonNode told = JsonMapper.shared().valueToTree(manifest.config());
    JsonNode wanted = JsonMapper.shared().valueToTree(config);
    for (Map.Entry<String, JsonNode> field : wanted.properties()) {
      assertEquals(field.getValue().toString(), told.get(field.getKey()).toString());
    }
    assertTrue(Files.size(folder.resolve("model.safetensors")) <= 8 << 20);
  }

  @Test
  void givesWhatTransformersGives() {
    try (ClipModel model = ClipModel.load(folder)) {
      GoldenCheck.GoldenErrors result = GoldenCheck.run(model, GOLDEN, null);
      assertEquals(List.of("image_embed", "text_embed"), new ArrayList<>(result.errors().keySet()));
      assertTrue(result.maxRelError() < 1e-5, result.toString());
      assertNotNull(result.maxLogitDiff());
      assertTrue(result.maxLogitDiff() < 1e-3, result.toString());
    }
  }

  /** Bounds a little outside the intervals of bench/results/demo_clip.json, for fewer images. */
  @Test
  void knowsAndMistakesWhatItIsSaidTo() {
    try (ClipModel model = ClipModel.load(folder)) {
      Map<String, Share> shares = Evaluation.run(model, COUNT, 1, Progress.SILENT);
      within(shares, "object_accuracy", 0.85, 1);
      within(shares, "colour_accuracy", 0.95, 1);
      within(shares, "background_accuracy", 0.95, 1);
      within(shares, "word_accuracy", 0.8, 1);
      within(shares, "gender_accuracy_agreeing", 0.95, 1);
      within(shares, "portraits_worst_group", 0.15, 0.5);
      within(shares, "portraits_best_group", 0.95, 1);
      within(shares, "birds_worst_group", 0.05, 0.4);
      within(shares, "birds_best_group", 0.88, 1);
      within(shares, "typographic_clean", 0.93, 1);
      within(shares, "typographic_attacked", 0, 0.1);
    }
  }

  private static void within(Map<String, Share> shares, String key, double low, double high) {
    Share share = shares.get(key);
    assertNotNull(share, key);
    assertTrue(share.value() >= low && share.value() <= high, key + " " + share);
  }

  /** From the image and the text themselves, not from what transformers made of them. */
  @Test
  void preprocessesAndTokenisesAsTransformers() throws IOException {
    JsonNode facts = JsonMapper.shared().readTree(Files.readString(GOLDEN.resolve("golden.json")));
    List<String> texts = new ArrayList<>();
    facts.get("texts").forEach(text -> texts.add(text.asString()));
    try (ClipModel model = ClipModel.load(folder);
        TensorFile golden = SafeTensors.open(GOLDEN.resolve("golden.safetensors"))) {
      Tokenizer tokenizer = model.tokenizer();
      if (tokenizer == null) throw new AssertionError("no tokenizer");
      StoredTensor ids = stored(golden, "input_ids");
      long[][] rows = tokenizer.encode(texts);
      int context = (int) ids.shape()[1];
      for (int i = 0; i < rows.length; i++) {
        for (int j = 0; j < context; j++) {
          assertEquals((long) ids.get((long) i * context + j), rows[i][j], texts.get(i));
        }
      }
      byte[] images = stored(golden, "image").bytes().toArray(ValueLayout.JAVA_BYTE);
      float[] input = stored(golden, "input").toFloats();
      int size = 64 * 64 * 3;
      for (int i = 0; i < images.length / size; i++) {
        byte[] rgb = java.util.Arrays.copyOfRange(images, i * size, (i + 1) * size);
        float[] expected = java.util.Arrays.copyOfRange(input, i * size, (i + 1) * size);
        assertArrayEquals(expected, model.preprocessing().apply(new RgbImage(64, 64, rgb)), 2e-6f);
      }
    }
  }

  private static StoredTensor stored(TensorFile file, String name) {
    StoredTensor tensor = file.tensors().get(name);
    if (tensor == null) throw new AssertionError("no " + name);
    return tensor;
  }
}
