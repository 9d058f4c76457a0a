// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.store.ActivationStore;
import io.clipsteer.data.store.TokenCodec;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.train.SaeTrainer;
import io.clipsteer.engine.sae.train.SaeVariant;
import io.clipsteer.lab.OneThread;
import io.clipsteer.lab.TestImages;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.json.JsonMapper;

/** Many SAEs from one store, stopped and resumed. */
@ExtendWith(OneThread.class)
final class StoreTrainingTest {
  private static final Path MODEL =
      Path.of("../engine/src/test/resources/models/hf-clip-quickgelu");
  private static final int TOKENS = 17;
  private static final int IMAGES = 40;

  @TempDir private static Path shared;
  private static Path images;
  private static Path store;

  @TempDir private Path temp;

  @BeforeAll
  static void harvest() throws IOException {
    images = Files.createDirectory(shared.resolve("images"));
    Random random = new Random(3);
    for (int i = 0; i < IMAGES; i++) {
      TestImages.write(images.resolve("p%03d.png".formatted(i)), 32, 32, 0x303030, random);
    }
    store = shared.resolve("store");
    try (ClipModel model = ClipModel.load(MODEL)) {
      List<HookPoint> points = List.of(HookPoint.residPost(0), HookPoint.residPost(1));
      Harvest harvest = new Harvest(model, open(model), points, TokenSelection.ALL);
      harvest.run(harvest.format(TokenCodec.FP32, Harvest.ANY_SHARD), store, Progress.SILENT);
    }
  }

  private static Images open(ClipModel model) {
    return new Images(ImageSet.open(images), model.preprocessing(), ImageLoader.Options.of(8));
  }

  private static TrainConfig config(TokenSelection tokens, int steps, SaeSpec... saes) {
    return new TrainConfig(
        List.of(saes),
        tokens,
        4,
        new Schedule(32L * steps, 32, 3e-3, Schedule.Shape.COSINE, 4, 0.1),
        settings(InputNormalisation.Kind.LAYER_NORM, 1),
        7,
        1 << 20,
        null,
        Device.CPU);
  }

  private static SaeSettings settings(InputNormalisation.Kind normalisation, double clip) {
    return new SaeSettings(normalisation, DType.F32, clip, 500, 0, SaeTrainer.Centre.MEDIAN);
  }

  private static SaeSpec spec(int layer, String variant) {
    return new SaeSpec(HookPoint.residPost(layer), SaeVariant.parse(variant));
  }

  private static TrainConfig everything(int steps) {
    return config(
        TokenSelection.ALL,
        steps,
        spec(0, "topk:k=4,aux=0.1"),
        spec(1, "topk:k=4"),
        spec(1, "batchtopk:k=4"),
        spec(0, "matryoshka:k=4,groups=3"),
        spec(0, "jumprelu:l0=0.01"),
        new SaeSpec(HookPoint.residPost(1), SaeVariant.parse("relu:l1=0.01"), 6));
  }

  private static Training.Finished fromStore(
      TrainConfig config, Path out, boolean resume, Progress progress) {
    try (ActivationStore open = ActivationStore.open(store)) {
      var source = new TrainSource.FromStore(open, store, null);
      return TestTraining.run(source, config, out, resume, progress);
    }
  }

  /** What must not depend on how often a training was stopped. */
  private static Map<String, byte[]> files(Path run) throws IOException {
    Map<String, byte[]> files = new HashMap<>();
    try (var all = Files.walk(run)) {
      for (Path file : all.filter(Files::isRegularFile).toList()) {
        String name = run.relativize(file).toString();
        if (!name.equals("manifest.json")) files.put(name, Files.readAllBytes(file));
      }
    }
    return files;
  }

  private static void same(Path expected, Path actual) throws IOException {
    Map<String, byte[]> a = files(expected);
    Map<String, byte[]> b = files(actual);
    assertEquals(a.keySet(), b.keySet());
    for (String name : a.keySet()) {
      assertEquals(-1, Files.mismatch(expected.resolve(name), actual.resolve(name)), name);
    }
  }

  /** Stops a training after so many advances, as a fault anywhere would. */
  private static Progress stopping(int after) {
    return (what, total, unit) ->
        new Progress.Task() {
          private int left = after;

          @Override
          public void advance(long n, double flops) {
            if (what.equals("training") && left-- == 0) throw new IllegalStateException("stopped");
          }

          @Override
          public void close() {}
        };
  }

  /** A store that holds NaN, as those of earlier versions may: the learning rate is not blamed. */
  @Test
  void aStoreWithNanIsBlamedNotTheRate() throws IOException {
    Path bad = temp.resolve("bad");
    try (var all = Files.walk(store)) {
      for (Path file : all.toList()) {
        Path to = bad.resolve(store.relativize(file).toString());
        if (Files.isDirectory(file)) Files.createDirectories(to);
        else Files.copy(file, to);
      }
    }
    Path data;
    try (var all = Files.walk(bad)) {
      data =
          all.filter(f -> f.toString().endsWith("blocks.1.hook_resid_post.bin"))
              .findFirst()
              .orElseThrow();
    }
    byte[] bytes = Files.readAllBytes(data);
    // Image 3, its first token, number 5.
    int at = 4 * (3 * TOKENS * 24 + 5);
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putFloat(at, Float.NaN);
    Files.write(data, bytes);
    try (ActivationStore open = ActivationStore.open(bad)) {
      assertEquals(-1, open.firstNotFinite(open.hookPoint("blocks.0.hook_resid_post")));
      long token = open.firstNotFinite(open.hookPoint("blocks.1.hook_resid_post"));
      assertEquals("p003.png", open.image(token));
      var source = new TrainSource.FromStore(open, bad, null);
      TrainConfig config = config(TokenSelection.ALL, 40, spec(1, "topk:k=4"));
      InputException e =
          assertThrows(
              InputException.class, () -> TestTraining.run(source, config, temp.resolve("r")));
      String message = String.valueOf(e.getMessage());
      assertTrue(message.startsWith("blocks.1.hook_resid_post: "), message);
      assertFalse(message.contains("--lr"), message);
    }
  }

  /** On finite activations it is the rate, and then it is said. */
  @Test
  void aRateThatDivergesIsBlamed() {
    TrainConfig fast =
        new TrainConfig(
            List.of(spec(1, "relu:l1=0.01")),
            TokenSelection.ALL,
            4,
            new Schedule(32L * 40, 32, 1e30, Schedule.Shape.COSINE, 4, 0.1),
            settings(InputNormalisation.Kind.NONE, 0),
            7,
            1 << 20,
            null,
            Device.CPU);
    InputException e =
        assertThrows(
            InputException.class,
            () -> fromStore(fast, temp.resolve("fast"), false, Progress.SILENT));
    assertTrue(String.valueOf(e.getMessage()).contains("--lr"), e.getMessage());
  }

  @Test
  void stoppedAndResumedManyTimesIsTheSameRun() throws IOException {
    Path whole = temp.resolve("whole");
    Training.Finished result = fromStore(everything(40), whole, false, Progress.SILENT);
    assertEquals(6, result.saes().size());
    assertEquals(36, result.images());
    String model = new RunFolder(whole).read().model();
    assertTrue(model.matches("sha256:[0-9a-f]{64}"), model + ": the store knows no more of it");
    assertEquals(4, result.evaluationImages());
    for (Training.Trained one : result.saes()) {
      assertEquals(4L * TOKENS, one.quality().tokens());
      assertTrue(one.quality().explainedVariance() > 0.2, one::toString);
    }
    Path broken = temp.resolve("broken");
    boolean resume = false;
    for (int stop : new int[] {1, 7, 2, 13, 5}) {
      boolean again = resume;
      assertThrows(
          IllegalStateException.class,
          () -> fromStore(everything(40), broken, again, stopping(stop)));
      resume = Files.exists(broken); // Without a state yet, nothing is left.
    }
    // A killed process leaves torn lines and half-written states behind.
    Files.writeString(
        broken.resolve("metrics.jsonl"),
        Files.readString(broken.resolve("metrics.jsonl")) + "{\"st");
    Files.writeString(
        Files.createDirectories(broken.resolve("state/999")).resolve("0.safetensors"), "torn");
    Files.writeString(
        Files.createDirectories(broken.resolve("saes")).resolve(".cfg.json.17-4"), "half");
    fromStore(everything(40), broken, true, Progress.SILENT);
    same(whole, broken);
    // Killed when only the state was to be deleted yet, and the manifest to be ended.
    Path manifest = broken.resolve("manifest.json");
    String ended = Files.readString(manifest);
    Files.writeString(manifest, ended.replaceFirst("\"ended\" : \"[^\"]*\"", "\"ended\" : null"));
    Files.writeString(broken.resolve("state.json"), "{}");
    Files.writeString(
        Files.createDirectories(broken.resolve("state/40")).resolve("0.safetensors"), "whole");
    for (int i = 0; i < 2; i++) {
      InputException e =
          assertThrows(
              InputException.class, () -> fromStore(everything(40), broken, true, Progress.SILENT));
      assertTrue(String.valueOf(e.getMessage()).contains("holds a finished run"), e::getMessage);
      assertNotNull(RunManifest.read(broken).ended());
      same(whole, broken);
    }
  }

  @Test
  void aTrainingFromImagesResumesToo() throws IOException {
    TrainConfig config =
        config(TokenSelection.PATCHES, 30, spec(1, "topk:k=4"), spec(0, "topk:k=4"));
    try (ClipModel model = ClipModel.load(MODEL)) {
      var source = new TrainSource.FromImages(model, open(model));
      Path whole = temp.resolve("whole");
      TestTraining.run(source, config, whole, false, Progress.SILENT);
      Path broken = temp.resolve("broken");
      assertThrows(
          IllegalStateException.class,
          () -> TestTraining.run(source, config, broken, false, stopping(21)));
      TestTraining.run(source, config, broken, true, Progress.SILENT);
      same(whole, broken);
    }
  }

  @Test
  void oneOfManyIsTheSameAsAlone() throws IOException {
    fromStore(everything(20), temp.resolve("many"), false, Progress.SILENT);
    fromStore(
        config(TokenSelection.ALL, 20, spec(1, "batchtopk:k=4")),
        temp.resolve("one"),
        false,
        Progress.SILENT);
    String sae = "saes/blocks.1.hook_resid_post.batchtopk-k-4/sae_weights.safetensors";
    assertEquals(-1, Files.mismatch(temp.resolve("many/" + sae), temp.resolve("one/" + sae)));
  }

  /** Every token of the nine images in ten comes once an epoch, in another order each time. */
  @ParameterizedTest
  @ValueSource(strings = {"ALL", "CLS", "PATCHES"})
  void anEpochIsEveryTokenOnce(String selection) {
    TokenSelection tokens = TokenSelection.valueOf(selection);
    int each = tokens.count(1, TOKENS);
    int all = 36 * each;
    TrainConfig config = config(tokens, 1, spec(1, "topk:k=4"));
    try (ActivationStore open = ActivationStore.open(store);
        StoreFeed feed = new StoreFeed(open, config, 0);
        StoreFeed later = new StoreFeed(open, config, all / 32)) {
      Set<List<Float>> wanted = new HashSet<>();
      for (long writeImage = 0; writeImage < IMAGES; writeImage++) {
        if (writeImage % 10 == 9) continue;
        for (int t = 0; t < TOKENS; t++) {
          if (t == 0 ? tokens == TokenSelection.PATCHES : tokens == TokenSelection.CLS) continue;
          wanted.add(row(open, writeImage * TOKENS + t));
        }
      }
      Set<List<Float>> seen = new HashSet<>();
      for (int step = 0; step < all / 32; step++) {
        try (Scope scope = Scope.open()) {
          float[] rows = feed.rows(0).toFloats();
          for (int i = 0; i < 32; i++) assertTrue(seen.add(list(rows, i * 24)), "a token twice");
        }
        feed.next();
      }
      assertTrue(wanted.containsAll(seen), "only tokens that are trained on");
      assertEquals(all / 32 * 32, seen.size());
      try (Scope scope = Scope.open()) {
        assertEquals(list(feed.rows(0).toFloats(), 0), list(later.rows(0).toFloats(), 0));
      }
    }
  }

  private static List<Float> row(ActivationStore open, long token) {
    try (Scope scope = Scope.open()) {
      Tensor rows = Tensor.empty(DType.F32, 1, 24);
      open.read(1, new long[] {token}, rows.segment());
      return list(rows.toFloats(), 0);
    }
  }

  private static List<Float> list(float[] rows, int at) {
    Float[] row = new Float[24];
    for (int j = 0; j < 24; j++) row[j] = rows[at + j];
    return List.of(row);
  }

  @Test
  @Tag("slow")
  void aPenaltyIsSteeredToItsTarget() throws IOException {
    steered("relu:l1=0.001", 4, 600);
    steered("relu:l1=0.001", 12, 600);
    // A threshold moves by one learning rate a step at most, wherever its penalty stands.
    steered("jumprelu:l0=0.001,bandwidth=0.1", 12, 6000);
  }

  private void steered(String variant, double target, int steps) throws IOException {
    var sae = new SaeSpec(HookPoint.residPost(1), SaeVariant.parse(variant), target);
    Path run = temp.resolve(variant.charAt(0) + "" + target);
    fromStore(config(TokenSelection.ALL, steps, sae), run, false, Progress.SILENT);
    List<String> curve = Files.readAllLines(run.resolve("metrics.jsonl"));
    double l0 = 0;
    for (String line : curve.subList(curve.size() - 10, curve.size())) {
      l0 += JsonMapper.shared().readTree(line).get("l0").asDouble() / 10;
    }
    assertEquals(target, l0, 0.15 * target, variant);
  }

  @Test
  void whatDoesNotFitIsRefused() throws IOException {
    refused("blocks.5.hook_resid_post", config(TokenSelection.ALL, 2, spec(5, "topk:k=4")), "a");
    refused("97", config(TokenSelection.ALL, 2, spec(1, "topk:k=97")), "b");
    assertFalse(Files.exists(temp.resolve("a")), "nothing is left behind");
    Path run = temp.resolve("run");
    assertThrows(
        IllegalStateException.class, () -> fromStore(everything(10), run, false, stopping(3)));
    for (TrainConfig other :
        List.of(everything(11), config(TokenSelection.CLS, 10, spec(0, "topk:k=4")))) {
      InputException e =
          assertThrows(InputException.class, () -> fromStore(other, run, true, Progress.SILENT));
      assertTrue(String.valueOf(e.getMessage()).contains("with other settings"), e::getMessage);
    }
    assertThrows(
        InputException.class, () -> fromStore(everything(10), run, false, Progress.SILENT));
    Files.writeString(run.resolve("notes.txt"), "mine");
    fromStore(everything(10), run, true, Progress.SILENT);
    assertEquals("mine", Files.readString(run.resolve("notes.txt")));
  }

  private void refused(String part, TrainConfig config, String out) {
    InputException e =
        assertThrows(
            InputException.class,
            () -> fromStore(config, temp.resolve(out), false, Progress.SILENT));
    assertTrue(String.valueOf(e.getMessage()).contains(part), e::getMessage);
  }
}
