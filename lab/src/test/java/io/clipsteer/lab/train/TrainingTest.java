// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.engine.sae.train.SaeVariant;
import io.clipsteer.lab.OneThread;
import io.clipsteer.lab.TestImages;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.Reconstruction;
import io.clipsteer.lab.run.RunFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Whole training runs on generated images with a tiny model. */
@ExtendWith(OneThread.class)
final class TrainingTest {
  private static final Path MODEL =
      Path.of("../engine/src/test/resources/models/hf-clip-quickgelu");
  private static final String SAE = "saes/blocks.1.hook_resid_post.topk-k-4";
  private static final int WIDTH = 24;
  private static final int PATCHES = 16;

  @TempDir private Path temp;

  private Path images(int count) throws IOException {
    Path folder = Files.createDirectory(temp.resolve("images" + count));
    Random random = new Random(count);
    for (int i = 0; i < count; i++) {
      TestImages.write(folder.resolve("p%03d.png".formatted(i)), 40, 36, 0x202020, random);
    }
    return folder;
  }

  private static Images open(ClipModel model, Path folder) {
    return new Images(ImageSet.open(folder), model.preprocessing(), ImageLoader.Options.of(8));
  }

  private static TrainConfig config(TokenSelection tokens, long trainTokens, long bytes) {
    return config(tokens, trainTokens, bytes, 1);
  }

  private static TrainConfig config(
      TokenSelection tokens, long trainTokens, long bytes, long seed) {
    SaeSpec sae = new SaeSpec(HookPoint.residPost(1), new SaeVariant.TopK(4));
    Schedule schedule = TestTraining.linear(trainTokens, 64, 3e-3);
    return new TrainConfig(
        List.of(sae), tokens, 4, schedule, TestTraining.SETTINGS, seed, bytes, null, Device.CPU);
  }

  private Training.Finished train(Path images, TrainConfig config, Path out) {
    try (ClipModel model = ClipModel.load(MODEL)) {
      var source = new TrainSource.FromImages(model, open(model, images));
      return TestTraining.run(source, config, out);
    }
  }

  @Test
  void aRunIsCompleteAndRepeatable() throws IOException {
    Path images = images(40);
    List<byte[]> weights = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      Path out = temp.resolve("run" + i);
      var config = config(TokenSelection.ALL, 6400, 1 << 20, i == 2 ? 9 : 1);
      Training.Finished result = train(images, config, out);
      assertEquals(36, result.images());
      assertEquals(4, result.evaluationImages());
      assertEquals(4 * 17, result.saes().getFirst().quality().tokens());
      assertTrue(
          result.saes().getFirst().quality().explainedVariance() > 0.3,
          result.saes().getFirst().quality()::toString);
      assertTrue(result.trainTokensPerSecond() > 0 && result.harvestTokensPerSecond() > 0);
      weights.add(Files.readAllBytes(out.resolve(SAE).resolve("sae_weights.safetensors")));
    }
    assertArrayEquals(weights.get(0), weights.get(1), "same seed, same bytes");
    assertFalse(Arrays.equals(weights.get(0), weights.get(2)), "another seed, other bytes");
    complete(temp.resolve("run0"));
  }

  private static TrainConfig with(
      List<SaeSpec> saes, DType product, int resampleSteps, @Nullable Path start) {
    SaeSettings d = TestTraining.SETTINGS;
    var settings =
        new SaeSettings(d.normalisation(), product, 0, d.deadTokens(), resampleSteps, d.centre());
    Schedule schedule = TestTraining.linear(128, 64, 1e-3);
    return new TrainConfig(
        saes, TokenSelection.ALL, 4, schedule, settings, 1, 1 << 20, start, Device.CPU);
  }

  @Test
  void anSaeOfAnotherHookPointIsNoStart() throws IOException {
    Path images = images(20);
    Path own = temp.resolve("own");
    SaeSpec here = new SaeSpec(HookPoint.residPost(1), new SaeVariant.TopK(4));
    SaeSpec elsewhere = new SaeSpec(HookPoint.residPost(0), new SaeVariant.TopK(4));
    train(images, with(List.of(here), DType.F32, 0, null), own);
    Path start = own.resolve(SAE);
    train(images, with(List.of(here), DType.F32, 0, start), temp.resolve("tuned"));
    for (List<SaeSpec> saes : List.of(List.of(elsewhere), List.of(here, elsewhere))) {
      var config = with(saes, DType.F32, 0, start);
      var e =
          assertThrows(
              InputException.class, () -> train(images, config, temp.resolve("not" + saes.size())));
      String message = String.valueOf(e.getMessage());
      assertTrue(message.contains("an SAE at blocks.1.hook_resid_post"), message);
      assertTrue(message.contains("reads blocks.0.hook_resid_post"), message);
    }
    // What comes before block 2 is what comes after block 1; a folder that does not say is taken.
    Path file = start.resolve("cfg.json");
    String text = Files.readString(file);
    Files.writeString(file, text.replace("blocks.1.hook_resid_post", "blocks.2.hook_resid_pre"));
    train(images, with(List.of(here), DType.F32, 0, start), temp.resolve("before"));
    Files.writeString(file, text.replace("hook_name", "was_hook_name"));
    train(images, with(List.of(elsewhere), DType.F32, 0, start), temp.resolve("unsaid"));
  }

  @Test
  void optionsAreForTheSaesThatHaveAUseForThem() throws IOException {
    HookPoint point = HookPoint.residPost(1);
    SaeSpec topK = new SaeSpec(point, SaeVariant.parse("topk:k=4"));
    SaeSpec relu = new SaeSpec(point, SaeVariant.parse("relu:l1=1e-3"));
    SaeSpec nested = new SaeSpec(point, SaeVariant.parse("matryoshka:k=4"));
    with(List.of(topK, nested), DType.F32, 1, null).check(WIDTH);
    with(List.of(topK, relu), DType.BF16, 0, null).check(WIDTH);
    var none = with(List.of(nested), DType.F32, 1, null);
    var e = assertThrows(InputException.class, () -> none.check(WIDTH));
    assertTrue(String.valueOf(e.getMessage()).contains("--resample-steps"));
    var dense = with(List.of(relu, nested), DType.BF16, 0, null);
    e = assertThrows(InputException.class, () -> dense.check(WIDTH));
    assertTrue(String.valueOf(e.getMessage()).contains("--encoder-product"));
    // Each SAE of a list becomes what it becomes alone, without the option that is not its own.
    Path images = images(20);
    train(images, with(List.of(topK, nested), DType.F32, 1, null), temp.resolve("list"));
    train(images, with(List.of(nested), DType.F32, 0, null), temp.resolve("alone"));
    String weights = "saes/" + nested.name() + "/sae_weights.safetensors";
    assertArrayEquals(
        Files.readAllBytes(temp.resolve("alone").resolve(weights)),
        Files.readAllBytes(temp.resolve("list").resolve(weights)));
  }

  private static void complete(Path out) throws IOException {
    try (var files = Files.walk(out)) {
      List<String> names =
          files
              .filter(Files::isRegularFile)
              .map(f -> out.relativize(f).toString().replace('\\', '/'))
              .sorted()
              .toList();
      assertEquals(
          List.of(
              "manifest.json",
              "metrics.jsonl",
              "pareto.csv",
              "run.json",
              SAE + "/cfg.json",
              SAE + "/sae_weights.safetensors"),
          names);
    }
    RunManifest manifest = RunManifest.read(out);
    assertEquals(List.of("train", "test"), manifest.command());
    assertEquals(1L, manifest.seeds().get("train"));
    assertEquals(64, String.valueOf(manifest.hashes().get("model")).length());
    assertTrue(manifest.ended() != null);
    RunFolder run = new RunFolder(out);
    RunFolder.SaeEntry entry = run.read().saes().getFirst();
    assertEquals(HookPoint.residPost(1), entry.point());
    assertEquals(TokenSelection.ALL, entry.selection());
    assertTrue(Path.of(run.read().model()).isAbsolute());
    try (Sae sae = SaeFiles.read(run.sae(entry))) {
      assertEquals(WIDTH, sae.width());
      assertEquals(4 * WIDTH, sae.features());
    }
    curve(out.resolve("metrics.jsonl"), 6400, 64);
  }

  private static void curve(Path file, long tokens, int batch) throws IOException {
    long step = -1;
    JsonNode last = null;
    for (String line : Files.readAllLines(file)) {
      last = JsonMapper.shared().readTree(line);
      assertTrue(last.get("step").asLong() > step, line);
      step = last.get("step").asLong();
      assertEquals((step + 1) * batch, last.get("tokens").asLong());
      assertTrue(last.get("loss").asDouble() > 0 && last.get("l0").asDouble() <= 4, line);
    }
    assertTrue(last != null);
    assertEquals(tokens / batch - 1, step, "the last step is on the curve");
  }

  /** The quality of a run by its definition, on the images kept aside, in double. */
  @Test
  void theQualityIsThatOfTheImagesKeptAside() throws IOException {
    Path images = images(30);
    var config = config(TokenSelection.PATCHES, 3200, 1 << 20);
    Path out = temp.resolve("run");
    Training.Finished result = train(images, config, out);
    List<float[]> rows = new ArrayList<>();
    try (ClipModel model = ClipModel.load(MODEL);
        Sae sae = SaeFiles.read(out.resolve(SAE));
        Scope scope = Scope.open()) {
      var p = model.preprocessing();
      for (int i = 9; i < 30; i += 10) {
        float[] pixels = p.apply(ImageDecoder.decode(images.resolve("p%03d.png".formatted(i))));
        var paused =
            model
                .vision()
                .runUntil(
                    Tensor.of(pixels, 1, 3, p.height(), p.width()),
                    HookPoint.residPost(1),
                    Hooks.NONE);
        float[] all = paused.value().toFloats();
        for (int t = 1; t <= PATCHES; t++) {
          rows.add(Arrays.copyOfRange(all, t * WIDTH, (t + 1) * WIDTH));
        }
      }
      double[] mean = new double[WIDTH];
      for (float[] row : rows)
        for (int j = 0; j < WIDTH; j++) mean[j] += row[j] / (double) rows.size();
      double error = 0;
      double variance = 0;
      long active = 0;
      boolean[] alive = new boolean[sae.features()];
      for (float[] row : rows) {
        Sae.Encoded encoded = sae.encode(Tensor.of(row, 1, WIDTH));
        float[] back = sae.decode(encoded).toFloats();
        float[] dense = encoded.code().dense(sae.features()).toFloats();
        for (int f = 0; f < dense.length; f++) {
          if (dense[f] > 0) active++;
          alive[f] |= dense[f] > 0;
        }
        for (int j = 0; j < WIDTH; j++) {
          error += Math.pow(row[j] - back[j], 2);
          variance += Math.pow(row[j] - mean[j], 2);
        }
      }
      int living = 0;
      for (boolean a : alive) if (a) living++;
      Reconstruction quality = result.saes().getFirst().quality();
      assertEquals(3L * PATCHES, quality.tokens());
      assertEquals(1 - error / variance, quality.explainedVariance(), 1e-4);
      assertEquals((double) active / rows.size(), quality.l0(), 1e-9);
      assertEquals((double) living / alive.length, quality.aliveFraction(), 1e-9);
    }
  }

  @ParameterizedTest
  @EnumSource(TokenSelection.class)
  void everySelectionTrains(TokenSelection tokens) throws IOException {
    int each = tokens == TokenSelection.CLS ? 1 : tokens == TokenSelection.ALL ? 17 : PATCHES;
    Training.Finished result = train(images(20), config(tokens, 640, 1 << 20), temp.resolve("run"));
    assertEquals(2L * each, result.saes().getFirst().quality().tokens());
  }

  @Test
  void aSetLargerThanTheBufferIsReadAgainAndAgain() throws IOException {
    Path images = images(40);
    long bytes = 250L * WIDTH * 4; // 250 of 680 tokens
    var config = config(TokenSelection.ALL, 6400, bytes);
    List<byte[]> weights = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      Path out = temp.resolve("run" + i);
      Training.Finished result = train(images, config, out);
      assertTrue(
          result.saes().getFirst().quality().explainedVariance() > 0.3,
          result.saes().getFirst().quality()::toString);
      // What of a batch of images no longer fits into the buffer is left out.
      assertTrue(result.images() > 24 && result.images() <= 36, "images " + result.images());
      assertEquals(4, result.evaluationImages());
      curve(out.resolve("metrics.jsonl"), 6400, 64);
      weights.add(Files.readAllBytes(out.resolve(SAE).resolve("sae_weights.safetensors")));
    }
    assertArrayEquals(weights.get(0), weights.get(1), "same seed, same bytes");
  }

  /** A buffer that is full before the tenth image, of a set that has enough of them. */
  @Test
  void aSmallBufferStillKeepsImagesAside() throws IOException {
    for (long tokens : new long[] {64, 128}) {
      var config = config(TokenSelection.ALL, tokens, 1 << 20);
      Training.Finished result =
          train(
              tokens == 64 ? images(30) : temp.resolve("images30"),
              config,
              temp.resolve("r" + tokens));
      assertTrue(result.evaluationImages() >= 1);
      assertEquals(17 * result.evaluationImages(), result.saes().getFirst().quality().tokens());
    }
  }

  @Test
  void tooFewImagesAreRefused() throws IOException {
    Path images = images(9);
    InputException e =
        assertThrows(
            InputException.class,
            () -> train(images, config(TokenSelection.ALL, 640, 1 << 20), temp.resolve("run")));
    String message = String.valueOf(e.getMessage());
    assertTrue(message.contains("9 images are too few") && message.contains("10"), message);
    assertFalse(Files.exists(temp.resolve("run")), "the name is free again");
  }

  @Test
  void aFolderThatIsNotEmptyIsLeftAlone() throws IOException {
    Path images = images(10);
    Path out = Files.createDirectory(temp.resolve("run"));
    Files.writeString(out.resolve("precious.txt"), "mine");
    var config = config(TokenSelection.ALL, 640, 1 << 20);
    InputException e = assertThrows(InputException.class, () -> train(images, config, out));
    assertTrue(String.valueOf(e.getMessage()).contains("not empty"), e::getMessage);
    try (var files = Files.list(out)) {
      assertEquals(List.of(out.resolve("precious.txt")), files.toList());
    }
    assertEquals("mine", Files.readString(out.resolve("precious.txt")));
    Path file = out.resolve("precious.txt");
    assertThrows(InputException.class, () -> train(images, config, file));
    assertEquals("mine", Files.readString(file));
  }

  @Test
  void hostileRunsAreRefused() throws IOException {
    Path out = Files.createDirectory(temp.resolve("run"));
    RunFolder run = new RunFolder(out);
    assertThrows(InputException.class, run::read);
    Path file = out.resolve("run.json");
    for (String text : List.of("", "{", "null", "[]", "{}", "{\"model\":\"m\",\"saes\":[]}", "7")) {
      Files.writeString(file, text);
      String message =
          String.valueOf(assertThrows(InputException.class, run::read, text).getMessage());
      assertEquals(1, message.lines().count(), message);
    }
    for (String folder : List.of("../elsewhere", "/etc", "saes/../../x")) {
      var entry =
          new RunFolder.SaeEntry(folder, "blocks.1.hook_mlp_out", "all", "topk:k=4", 0, 0, 0);
      run.write(new RunFolder.Run("/m", List.of(entry)));
      assertThrows(InputException.class, () -> run.sae(run.read().saes().getFirst()), folder);
    }
  }
}
