// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static io.clipsteer.cli.CliFixture.MODELS;
import static io.clipsteer.cli.CliFixture.run;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Progress;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.world.WorldSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/**
 * The whole way, from training to export, on a tiny model of each kind of tower: without class
 * token and with attention pooling (SigLIP), with rotary positions (DINOv3, Perception Encoder),
 * with inner norms (EVA-02).
 */
final class RecentModelsTest {
  private static final List<String> WORDS = List.of("red", "green", "blue", "dog", "cat");

  @TempDir private static Path temp;

  private static Path images;
  private static Path portraits;

  @BeforeAll
  static void draw() {
    images = temp.resolve("images");
    WorldSet.MIXED.write(images, WorldSet.Split.TEST, 24, 5, 64, Progress.SILENT);
    portraits = temp.resolve("portraits");
    WorldSet.PORTRAITS.write(portraits, WorldSet.Split.TEST, 48, 5, 64, Progress.SILENT);
  }

  /** Unit vectors as words, for models without texts. */
  private static Path library(Path model, String name, List<String> words) {
    int width;
    try (ClipModel loaded = ClipModel.load(model)) {
      width = loaded.vision().config().embedDim();
    }
    Random random = new Random(4);
    float[] rows = new float[words.size() * width];
    for (int w = 0; w < words.size(); w++) {
      double square = 0;
      for (int i = 0; i < width; i++) {
        rows[w * width + i] = (float) random.nextGaussian();
        square += rows[w * width + i] * rows[w * width + i];
      }
      for (int i = 0; i < width; i++) rows[w * width + i] /= (float) Math.sqrt(square);
    }
    Path folder = temp.resolve(name + "-" + model.getFileName());
    new TextLibrary(words, rows, width).write(folder);
    return folder;
  }

  @ParameterizedTest
  @ValueSource(strings = {"hf-siglip", "hf-dinov3", "timm-pe-core", "timm-eva02"})
  void fromTrainingToExport(String name) throws IOException {
    Path model = MODELS.resolve(name);
    boolean cls = !name.equals("hf-siglip");
    Path words = library(model, "words", WORDS);
    Path run = temp.resolve("run-" + name);
    CliFixture.train(run, model, images, "--layers", "0,1", "--expansion", 2);
    Object[] some = {"--run", run, "--images", images, "--limit", 8, "--json"};

    JsonNode evaluated = run("evaluate", some).json();
    JsonNode first = evaluated.get("saes").get(0);
    assertEquals(cls, first.has("l0_cls") && !first.get("l0_cls").isNull(), first.toString());

    JsonNode index = run("index", some, "--library", words).json();
    assertTrue(index.toString().contains("features"), index.toString());

    String unit = "1:0";
    JsonNode steered =
        run("steer", some, "--feature", unit, "--set", "5", "--library", words).json();
    assertTrue(steered.toString().contains("red"), steered.toString());

    Path measured = temp.resolve("steerability-" + name);
    JsonNode steerability =
        run("steerability", some, "--library", words, "--out", measured, "--random-count", 4)
            .json();
    assertEquals(18, steerability.get("layers").size(), steerability.get("layers").toString());
    for (JsonNode layer : steerability.get("layers")) {
      assertTrue(layer.get("mean_s").asDouble() >= 0, layer.toString());
      assertEquals(name.equals("hf-siglip"), layer.has("mean_sigmoid"), layer.toString());
    }

    Path targets = library(model, "targets", List.of("woman", "man"));
    Path suppressed = temp.resolve("suppressed-" + name);
    JsonNode report =
        run(
                "suppress",
                "--run",
                run,
                "--data",
                "celeba:" + portraits,
                "--library",
                targets,
                "--out",
                suppressed,
                "--json")
            .json();
    assertTrue(report.has("edited_wga"), report.toString());

    Path edit = temp.resolve("edit-" + name);
    run("edit", "--run", run, "--feature", unit, "--ablate", "--out", edit, "--json").json();
    Path sidecar = temp.resolve(name.replace('-', '_') + ".safetensors");
    run("export", "--edit", edit, "--out", sidecar, "--json").json();
    assertTrue(Files.isRegularFile(sidecar));
    Path onnx = temp.resolve(name + ".onnx");
    run("export", "--edit", edit, "--to", "onnx", "--out", onnx, "--json").json();
    assertTrue(Files.size(onnx) > Files.size(model.resolve("model.safetensors")));
  }

  @Test
  void aTowerWithoutClassTokenRefusesItsSelection() {
    Path out = temp.resolve("cls");
    Path model = MODELS.resolve("hf-siglip");
    run(
            "train",
            "--model",
            model,
            "--images",
            images,
            "--layers",
            "1",
            "--sae",
            "topk:k=4",
            "--tokens-selection",
            "cls",
            "--train-tokens",
            1280,
            "--out",
            out)
        .refused("this tower has no class token");
    assertFalse(Files.exists(out));
    run(
            "harvest",
            "--model",
            model,
            "--images",
            images,
            "--layers",
            "1",
            "--tokens-selection",
            "cls",
            "--out",
            out)
        .refused("this tower has no class token");
    assertFalse(Files.exists(out));
  }

  @Test
  void sigmoidModelsGiveBothProbabilities() {
    Path model = MODELS.resolve("hf-siglip");
    Path words = library(model, "both", WORDS);
    JsonNode json =
        run(
                "classify",
                "--model",
                model,
                "--images",
                images,
                "--limit",
                2,
                "--library",
                words,
                "--all",
                "--json")
            .json();
    double sum = 0;
    for (JsonNode answer : json.get("predictions").get(0).get("answers")) {
      sum += answer.get("probability").asDouble();
      double alone = answer.get("sigmoid").asDouble();
      assertTrue(alone > 0 && alone < 1, answer.toString());
    }
    assertEquals(1, sum, 1e-6);
    JsonNode inspected = run("model", "inspect", model, "--json").json();
    assertEquals(-11.5, inspected.get("logit_bias").asDouble(), 1e-2);
    assertEquals("attention", inspected.get("pooling").asString());
    assertEquals(0, inspected.get("prefix_tokens").asInt());
  }
}
