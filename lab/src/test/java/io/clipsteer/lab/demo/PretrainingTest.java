// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.demo;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.FolderLock;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.world.Biases;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A pretraining of a few steps: repeatable, resumable, and refused where it cannot be. */
final class PretrainingTest {
  private static final List<String> COMMAND = List.of("world", "pretrain");

  @TempDir private Path temp;

  /** Most of it leans, the last two steps do not. */
  private static PretrainConfig config(int steps) {
    List<PretrainConfig.Stage> stages =
        List.of(
            new PretrainConfig.Stage(steps - 2, 1, 1e-3, Biases.WEB),
            new PretrainConfig.Stage(2, 0, 1e-4, Biases.NONE));
    return new PretrainConfig(
        5, 32, 8, 32, 2, 2, 32, 1, 2, 24, 16, 12, 2, stages, 0.1, "bf16", 4, 4);
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
    assertNull(RunManifest.read(again).ended());
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
  void anotherConfigurationCannotResume() throws IOException {
    Path out = temp.resolve("out");
    Pretraining.run(config(4), out, false, COMMAND, Progress.SILENT);
    Map<String, String> before = contents(out);
    refused(
        "with other settings: stages was",
        () -> Pretraining.run(config(8), out, true, COMMAND, Progress.SILENT));
    assertEquals(before, contents(out));
    // Nothing is left to do: nothing changes, the manifest neither.
    var ended = Pretraining.run(config(4), out, true, List.of("world", "another"), Progress.SILENT);
    assertEquals(0, ended.trained());
    assertEquals(before, contents(out));
    try (FolderLock other = FolderLock.take(out)) {
      refused(
          "is being written by another run",
          () -> Pretraining.run(config(4), out, true, COMMAND, Progress.SILENT));
    }
    refused(
        "holds a finished run",
        () -> Pretraining.run(config(4), out, false, COMMAND, Progress.SILENT));
    refused(
        "holds no run to resume",
        () -> Pretraining.run(config(4), temp.resolve("no"), true, COMMAND, Progress.SILENT));
    // Killed before its first state, a run has left its lock's file alone.
    Path early = Files.createDirectory(temp.resolve("early"));
    Files.createFile(early.resolve(FolderLock.NAME));
    Pretraining.run(config(4), early, true, COMMAND, Progress.SILENT);
    assertEquals(before.get("log.csv"), contents(early).get("log.csv"));
  }

  @Test
  void theShippedConfigurationIsRead() {
    PretrainConfig config = PretrainConfig.read(Path.of("../configs/demo-clip.yaml"));
    assertEquals(Biases.WEB, config.biases(0));
    assertTrue(config.visionLayers() >= 8);
    assertTrue(config.textLayers() >= 3);
    var first = config.stages().getFirst();
    assertEquals(first.learningRate(), config.rate(first.warmup()), 1e-12);
    assertEquals(first.learningRate() / first.warmup(), config.rate(0), 1e-12);
    assertTrue(config.rate(first.steps() - 1) < 0.0101 * first.learningRate());
    var last = config.stages().getLast();
    assertTrue(config.rate(config.steps() - 1) < 0.0101 * last.learningRate());
    assertEquals(last.biases(), config.biases(config.steps()));
    assertEquals(first.biases(), config.biases(first.steps() - 1));
  }

  @Test
  void linesMayEndAsOnWindows() throws IOException {
    Path shipped = Path.of("../configs/demo-clip.yaml");
    Path file = temp.resolve("windows.yaml");
    Files.writeString(file, "\uFEFF" + Files.readString(shipped).replace("\n", "\r\n"));
    assertEquals(PretrainConfig.read(shipped), PretrainConfig.read(file));
  }

  @Test
  void wrongConfigurationsAreNamed() throws IOException {
    String good = Files.readString(Path.of("../configs/demo-clip.yaml"));
    wrong("", "no settings of a pretraining");
    wrong("just words", "no settings of a pretraining");
    wrong("a: [", "is no YAML");
    wrong(good.replaceFirst("  - \\{steps", "  - ~\n  - {steps"), "stages is no group of settings");
    wrong(good.replace("patch: 8", "patch: 7"), "patch (7) does not divide imageSize (64)");
    wrong(good.replace("patch: 8", "patch: 0"), "patch is 0. Give a whole number from 1 to 64");
    wrong(good.replace("visionHeads: 4", "visionHeads: 3"), "visionHeads (3) does not divide");
    wrong(good.replaceAll("dtype: \\w+", "dtype: int4"), "dtype is int4. Give bf16 or fp32");
    wrong(good.replace("seed: 1\n", ""), "seed is missing");
    wrong(good + "colour: red\n", "there is no setting colour");
    wrong(good + "seed: 7\n", "a setting is given twice");
    wrong(good.replace("warmup: 400", "warmup: 400000"), "warmup of stage 1 is 400000");
    wrong(good.replace("learningRate: 5e-4", "learningRate: 5"), "learningRate of stage 2 is 5.0");
    wrong(good.replace("batch: 128", "batch: 6.5"), "batch is no whole number");
    wrong(
        good.replace("evaluationCount: 200", "evaluationCount: 2000000000"),
        "evaluationCount is 2000000000. Give a whole number from 1 to 100000");
    wrong(good.replace("blondMen: 0.03", "blondMen: 3"), "biases must be shares from 0 to 1");
    wrong(good.replace("blondMen: 0.03", "blondMen: x"), "blondMen");
    wrong(good.replace("batch: 128", "batch: many"), "line 14: batch");
    refused("is not there", () -> PretrainConfig.read(temp.resolve("none.yaml")));
    refused("but a folder", () -> PretrainConfig.read(temp));
    wrong(good.replace("batch: 128", "batch: 99999999999"), "line 14");
  }

  private static Map<String, String> contents(Path folder) throws IOException {
    Map<String, String> hashes = new TreeMap<>();
    try (var all = Files.walk(folder)) {
      for (Path file : all.filter(Files::isRegularFile).toList()) {
        hashes.put(folder.relativize(file).toString(), Hashes.sha256(file));
      }
    }
    return hashes;
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
    assertFalse(message.contains("jackson") || message.contains("java."), message);
  }
}
