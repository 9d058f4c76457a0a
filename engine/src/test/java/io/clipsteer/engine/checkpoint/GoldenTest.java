// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.SharedData;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TextLibrary;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Every supported family against values that its reference implementation made in float64 from the
 * same randomly initialised weights (bench/peers/make_model_golden.py).
 */
public final class GoldenTest {
  static final Path MODELS = Path.of("src/test/resources/models");

  static {
    // Small trunks, which open_clip can only name.
    TimmNames.read("timm-test.tsv");
    TimmNames.read("timm-eva-test.tsv");
  }

  public static Stream<String> models() throws IOException {
    try (var folders = Files.list(MODELS)) {
      return folders.map(f -> f.getFileName().toString()).sorted().toList().stream();
    }
  }

  /** OpenAI and Meta publish a file, everybody else a folder. */
  public static Path checkpoint(Path folder) {
    try (var files = Files.list(folder)) {
      return files.filter(f -> f.toString().matches(".*\\.pth?")).findFirst().orElse(folder);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void fp32EqualsTheReference(String name) {
    Path folder = MODELS.resolve(name);
    try (ClipModel model = ClipModel.load(checkpoint(folder))) {
      var result = GoldenCheck.run(model, folder, null);
      assertTrue(result.maxRelError() <= 1e-5, () -> name + " " + result);
      assertTrue(result.errors().size() >= 4, () -> name + " compared little: " + result);
      if (model.text() != null) {
        assertNotNull(result.maxLogitDiff(), name);
        assertTrue(result.maxLogitDiff() <= 1e-3, () -> name + " " + result);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void bf16StaysClose(String name) {
    Path folder = MODELS.resolve(name);
    try (ClipModel model = ClipModel.load(checkpoint(folder), DType.BF16, Device.CPU)) {
      var result = GoldenCheck.run(model, folder, null);
      for (double cosine : result.cosines().values()) {
        assertTrue(cosine >= 0.999, () -> name + " " + result);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "hf-dinov2",
        "hf-dinov2-registers",
        "hf-dinov2-swiglu",
        "hf-dinov3",
        "timm-dinov3"
      })
  void positionsAreInterpolatedAsTheReferenceDoes(String name) {
    Path folder = MODELS.resolve(name);
    try (ClipModel model = ClipModel.load(folder);
        TensorFile golden = SafeTensors.open(folder.resolve("golden.safetensors"));
        Scope scope = Scope.open()) {
      float[] expected = golden.get("small_pooled").toFloats();
      Tensor pixels = Tensor.of(golden.get("small_input"));
      assertArrayEquals(
          expected, model.vision().run(pixels, Hooks.NONE).pooled().toFloats(), 2e-5f);
    }
  }

  /** Golden texts are held against the model's own tokenizer: other cleaning is a failure. */
  @Test
  void textsGoThroughTheTokenizer(@TempDir Path temp) throws IOException {
    Path source = MODELS.resolve("open-clip-no-causal");
    for (String kwargs : List.of("{\"clean\": \"canonicalize\"}", "{\"clean\": \"whitespace\"}")) {
      Path folder = Files.createTempDirectory(temp, "copy");
      try (var files = Files.list(source)) {
        for (Path file : files.toList()) Files.copy(file, folder.resolve(file.getFileName()));
      }
      Path config = folder.resolve("open_clip_config.json");
      String text = Files.readString(config);
      String changed =
          text.replace("\"text_cfg\": {", "\"text_cfg\": {\"tokenizer_kwargs\": " + kwargs + ",");
      assertTrue(!changed.equals(text));
      Files.writeString(config, changed);
      try (ClipModel model = ClipModel.load(folder)) {
        var result = GoldenCheck.run(model, folder, null);
        assertEquals(1.0, result.errors().get("input_ids"), kwargs);
        assertTrue(result.maxRelError() > 0.01, kwargs + result);
      }
    }
    try (ClipModel model = ClipModel.load(source)) {
      assertEquals(0.0, GoldenCheck.run(model, source, null).errors().get("input_ids"));
    }
  }

  @Test
  void vitTinyClip() {
    Path folder = SharedData.require("vit-tiny-clip");
    try (ClipModel model = ClipModel.load(folder)) {
      var result = GoldenCheck.run(model, folder, TextLibrary.read(folder));
      assertTrue(result.maxRelError() <= 1e-5, result::toString);
      assertNotNull(result.maxLogitDiff());
      assertTrue(result.maxLogitDiff() <= 1e-3, result::toString);
      assertEquals(6, result.errors().size() + 1);
    }
  }
}
