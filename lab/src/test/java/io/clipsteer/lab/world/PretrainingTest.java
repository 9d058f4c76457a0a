// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.world;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.RunManifest;
import io.clipsteer.engine.model.ClipModel;
import io.clipsteer.lab.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A pretraining of a few steps: repeatable, resumable, and refused where it cannot be. */
final class PretrainingTest {
  private static final List<String> COMMAND = List.of("world", "pretrain");

  @TempDir private Path temp;

  private static PretrainConfig config(int steps) {
    return new PretrainConfig(
        5, 32, 8, 32, 2, 2, 32, 1, 2, 24, 16, Biases.WEB, 12, 2, steps, 2, 1e-3, 0.1, "bf16", 4, 4);
  }

  /** Stops a pretraining as a kill would: in the middle of a step. */
  private static final class Stop extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  private static Progress stoppingAfter(int steps) {
    return (name, total, unit) ->
        new Progress.Task() {
          private int seen;

          @Override
          public void advance(long units, double flops) {
            if (name.equals("pretraining") && (seen += (int) units) > steps) throw new Stop();
          }

          @Override
          public void close() {}
        };
  }

  @Test
  void theSameSeedGivesTheSameBytesAndResumingToo() throws IOException {
    Path through = temp.resolve("through");
    var result = Pretraining.run(config(10), through, false, COMMAND, Progress.SILENT);
    assertEquals(10, result.steps());
    assertEquals(12, result.evaluation().size());
    Path again = temp.resolve("again");
    assertThrows(
        Stop.class, () -> Pretraining.run(config(10), again, false, COMMAND, stoppingAfter(7)));
    assertFalse(Files.exists(again.resolve("manifest.json")));
    Pretraining.run(config(10), again, true, COMMAND, Progress.SILENT);
    for (String file :
        List.of(
            "log.csv", "model/model.safetensors", "model/tokenizer.json", "model/config.json")) {
      assertArrayEquals(
          Files.readAllBytes(through.resolve(file)), Files.readAllBytes(again.resolve(file)), file);
    }
    List<String> log = Files.readAllLines(through.resolve("log.csv"));
    assertEquals(11, log.size());
    assertTrue(log.get(3).endsWith(",,,,,,,,,,,,"), log.get(3));
    assertEquals(17, log.get(4).split(",").length, log.get(4));
    assertEquals(17, log.get(10).split(",").length, log.get(10));
    assertEquals(config(10).steps(), RunManifest.read(through).config().get("steps"));
    try (ClipModel model = ClipModel.load(through.resolve("model"))) {
      assertEquals(2, model.vision().config().layers());
    }
  }

  @Test
  void anotherConfigurationCannotResume() {
    Path out = temp.resolve("out");
    Pretraining.run(config(4), out, false, COMMAND, Progress.SILENT);
    refused(
        "was made with another configuration",
        () -> Pretraining.run(config(8), out, true, COMMAND, Progress.SILENT));
    refused("is not empty", () -> Pretraining.run(config(4), out, false, COMMAND, Progress.SILENT));
    refused(
        "holds no state.safetensors",
        () -> Pretraining.run(config(4), temp.resolve("no"), true, COMMAND, Progress.SILENT));
  }

  @Test
  void theShippedConfigurationIsRead() {
    PretrainConfig config = PretrainConfig.read(Path.of("../configs/demo-clip.yaml"));
    assertEquals(Biases.WEB, config.biases());
    assertTrue(config.visionLayers() >= 8);
    assertTrue(config.textLayers() >= 3);
    assertEquals(config.learningRate(), config.rate(config.warmup()), 1e-12);
    assertEquals(config.learningRate() / config.warmup(), config.rate(0), 1e-12);
    assertTrue(config.rate(config.steps() - 1) < 0.0101 * config.learningRate());
  }

  @Test
  void wrongConfigurationsAreNamed() throws IOException {
    String good = Files.readString(Path.of("../configs/demo-clip.yaml"));
    wrong("", "is no pretraining");
    wrong("just words", "is no pretraining");
    wrong(good.replace("patch: 8", "patch: 7"), "patch, which must divide imageSize,");
    wrong(good.replace("patch: 8", "patch: 0"), "imageSize or patch");
    wrong(good.replace("visionHeads: 4", "visionHeads: 3"), "visionHeads");
    wrong(good.replaceAll("dtype: \\w+", "dtype: int4"), "dtype");
    wrong(good.replace("seed: 1\n", ""), "seed");
    wrong(good + "colour: red\n", "colour");
    wrong(good + "steps: 7\n", "steps");
    wrong(good.replace("batch: 128", "batch: 6.5"), "6.5");
    wrong(good.replace("evaluationCount: 200", "evaluationCount: 2000000000"), "evaluationCount");
    wrong(good.replace("blondMen: 0.03", "blondMen: 3"), "share 3.0");
    wrong(good.replace("batch: 128", "batch: many"), "many");
    refused("is no file of settings", () -> PretrainConfig.read(temp.resolve("none.yaml")));
  }

  private void wrong(String yaml, String part) throws IOException {
    Path file = temp.resolve("wrong.yaml");
    Files.writeString(file, yaml);
    refused(part, () -> PretrainConfig.read(file));
  }

  private static void refused(String part, Runnable what) {
    InputException e = assertThrows(InputException.class, what::run);
    String message = String.valueOf(e.getMessage());
    assertTrue(message.contains(part), message);
    assertEquals(1, message.lines().count(), message);
  }
}
