// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.lab.OneThread;
import io.clipsteer.lab.TestImages;
import io.clipsteer.lab.TestSaes;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.run.BlockFiles;
import io.clipsteer.lab.run.ImageBlocks;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Sparsity reports of a tiny model against {@link SparsityOracle}. */
@ExtendWith(OneThread.class)
final class SparsityRunTest {
  private static final Path MODELS = Path.of("../engine/src/test/resources/models");
  private static final List<String> CLASSES = List.of("bird", "cat", "dog");
  private static final int WIDTH = 24;
  private static final int FEATURES = 60;
  private static final int EACH = 4;

  private static ClipModel model;

  @TempDir private static Path temp;

  @BeforeAll
  static void load() throws IOException {
    model = ClipModel.load(MODELS.resolve("hf-clip-quickgelu"));
    Random random = new Random(7);
    for (String name : CLASSES) write("classes/" + name, EACH, random);
    write("flat", 3, random);
    write("single/cat", 3, random);
  }

  @AfterAll
  static void unload() {
    model.close();
  }

  private static void write(String folder, int count, Random random) throws IOException {
    for (int i = 0; i < count; i++) {
      TestImages.write(temp.resolve(folder + "/p" + i + ".png"), 40, 36, 0x404040, random);
    }
  }

  private static Images images(String folder, int batch) {
    return new Images(
        ImageSet.open(temp.resolve(folder)),
        model.preprocessing(),
        ImageLoader.Options.of(batch).withThreads(1));
  }

  private static RunSaes.One one(HookPoint point, String tokens, Sae sae) {
    return new RunSaes.One(
        new RunFolder.SaeEntry("saes/x", point.peerName(), tokens, "test", 0, 0, 0), sae);
  }

  private static Sae topK(int k, boolean subtracts, long seed) {
    var normalisation = new InputNormalisation.LayerNorm();
    var activation = new SaeActivation.TopK(k);
    return TestSaes.random(WIDTH, FEATURES, activation, normalisation, subtracts, seed);
  }

  private static Sae plain(SaeActivation activation, boolean subtracts, long seed) {
    var normalisation = new InputNormalisation.None();
    return TestSaes.random(WIDTH, FEATURES, activation, normalisation, subtracts, seed);
  }

  private static RunSaes five() {
    return new RunSaes(
        List.of(
            one(HookPoint.residPost(2), "cls", topK(7, true, 1)),
            one(HookPoint.residPost(1), "all", topK(9, false, 2)),
            one(HookPoint.mlpOut(1), "patches", plain(new SaeActivation.Relu(), true, 3)),
            one(HookPoint.residPost(1), "patches", topK(5, true, 4)),
            one(
                HookPoint.residPost(1),
                "all",
                plain(new SaeActivation.JumpRelu(thresholds()), false, 5))));
  }

  /** Some let everything positive through, some nothing. */
  private static float[] thresholds() {
    float[] thresholds = new float[FEATURES];
    for (int k = 0; k < FEATURES; k++) thresholds[k] = k % 7 * 0.4f;
    return thresholds;
  }

  private static SparsityReport run(RunSaes saes, String folder, int batch, Truth truth) {
    return new SparsityRun(model, ImageBlocks.of(images(folder, batch)), saes, truth, true)
        .run(Progress.SILENT);
  }

  private static Truth truth(String folder) {
    return Truth.of(model, images(folder, 4), null, ZeroShot.DEFAULT_TEMPLATES, Progress.SILENT);
  }

  private static SparsityOracle oracle(RunSaes.One one, TextLibrary library) {
    List<Path> files = new ArrayList<>();
    int[] right = new int[CLASSES.size() * EACH];
    for (int c = 0; c < CLASSES.size(); c++) {
      for (int i = 0; i < EACH; i++) {
        right[files.size()] = c;
        files.add(temp.resolve("classes/%s/p%d.png".formatted(CLASSES.get(c), i)));
      }
    }
    return new SparsityOracle(model, one, files, right, library);
  }

  private static double value(@Nullable Double number) {
    assertNotNull(number);
    return number;
  }

  @Test
  void everyNumberIsThatOfTheDefinition() {
    Truth truth = truth("classes");
    TextLibrary library = truth.library();
    assertNotNull(library);
    assertEquals(CLASSES, library.words());
    try (RunSaes saes = five()) {
      SparsityReport report = run(saes, "classes", 4, truth);
      assertEquals(12, report.images());
      assertEquals(List.of(), report.notes());
      for (int i = 0; i < 5; i++) {
        RunSaes.One one = saes.all().get(i);
        SparsityReport.MeasuredSae entry = report.saes().get(i);
        assertEquals(one.entry(), entry.sae());
        SparsityOracle oracle = oracle(one, library);
        sparsity(oracle, one, entry.sparsity());
        answers(oracle, entry);
        legacy(oracle, entry);
      }
    }
  }

  private static void sparsity(
      SparsityOracle oracle, RunSaes.One one, SparsityReport.Sparsity actual) {
    String tokens = one.entry().tokens();
    int each = tokens.equals("cls") ? 1 : tokens.equals("all") ? 17 : 16;
    assertEquals(12L * each, actual.tokens());
    assertEquals(oracle.l0(0, 17), actual.l0(), 1e-9);
    if (tokens.equals("patches")) {
      assertNull(actual.l0Cls());
    } else {
      assertEquals(oracle.l0(0, 1), value(actual.l0Cls()), 1e-9);
    }
    double[][] grid = actual.l0Grid();
    if (tokens.equals("cls")) {
      assertNull(actual.l0Patches());
      assertNull(grid);
    } else {
      assertEquals(oracle.l0(1, 17), value(actual.l0Patches()), 1e-9);
      assertNotNull(grid);
      for (int p = 0; p < 16; p++) {
        assertEquals(oracle.l0(1 + p, 2 + p), grid[p / 4][p % 4], 1e-9, "patch " + p);
      }
    }
    assertEquals(oracle.explainedVariance(), value(actual.explainedVariance()), 1e-5);
    assertEquals(oracle.cosine(), value(actual.cosine()), 1e-5);
    double alive = 0;
    double dense = 0;
    long[] counts = new long[24];
    for (double share : oracle.frequencies()) {
      if (share > 0) alive++;
      if (share > 0.1) dense++;
      for (int bin = 0; bin < 24; bin++) {
        double low = Math.pow(10, -6 + bin / 4.0);
        double high = bin == 23 ? 2 : Math.pow(10, -6 + (bin + 1) / 4.0);
        if (share >= low && share < high) counts[bin]++;
      }
    }
    assertTrue(alive < FEATURES && dense < alive && dense > 0, alive + " " + dense);
    assertEquals(alive / FEATURES, actual.alive(), 1e-12);
    assertEquals(dense / FEATURES, actual.dense(), 1e-12);
    assertArrayEquals(counts, actual.histogram().counts());
    assertEquals(FEATURES - alive, actual.histogram().never());
  }

  private static void answers(SparsityOracle oracle, SparsityReport.MeasuredSae entry) {
    SparsityReport.ZeroShotScores actual = entry.zeroShot();
    assertNotNull(actual);
    assertEquals(12, actual.images());
    assertEquals(3, actual.classes());
    double scale = model.logitScale();
    double[] original = oracle.original(scale);
    double[] spliced = oracle.spliced(scale);
    double[] mean = oracle.replaced(oracle.mean(), scale);
    double[] zero = oracle.replaced(new double[WIDTH], scale);
    near(original, actual.original());
    near(spliced, actual.spliced());
    near(mean, actual.meanAblated());
    near(zero, actual.zeroAblated());
    recovered(original[0], spliced[0], mean[0], value(actual.ceRecovered().meanAblation()));
    recovered(original[0], spliced[0], zero[0], value(actual.ceRecovered().zeroAblation()));
  }

  private static void near(double[] expected, SparsityReport.Quality actual) {
    assertEquals(expected[0], value(actual.crossEntropy()), 5e-6);
    assertEquals(expected[1], actual.accuracy(), 1e-12);
  }

  private static void recovered(double original, double spliced, double ablated, double actual) {
    double expected = (ablated - spliced) / (ablated - original);
    double slack = 5e-6 / Math.abs(ablated - original) * (1 + Math.abs(expected));
    assertTrue(slack < 0.2, "the test would see nothing: " + slack);
    assertEquals(expected, actual, slack);
  }

  private static void legacy(SparsityOracle oracle, SparsityReport.MeasuredSae entry) {
    SparsityReport.Legacy actual = entry.legacy();
    assertNotNull(actual);
    double expected = oracle.explainedVariancePerToken();
    double slack = 1e-5 * (1 + Math.abs(expected));
    assertEquals(expected, value(actual.explainedVariance()), slack);
    assertEquals(oracle.cosineByCoordinate(), value(actual.cosine()), 1e-5);
    double original = oracle.original(1)[0];
    double spliced = oracle.spliced(1)[0];
    double zero = oracle.replaced(new double[WIDTH], 1)[0];
    assertEquals(original, value(actual.crossEntropy()), 1e-6);
    assertEquals(spliced, value(actual.crossEntropySpliced()), 1e-6);
    assertEquals(zero, value(actual.crossEntropyZeroAblated()), 1e-6);
    double share = (zero - spliced) / (zero - original);
    double gap = 2e-6 / Math.abs(zero - original) * (1 + Math.abs(share));
    assertEquals(share, value(actual.ceRecovered()), gap);
  }

  @Test
  void aPerfectSaeRecoversEverythingAndTheMeanNothing() {
    Truth truth = truth("classes");
    TextLibrary library = truth.library();
    assertNotNull(library);
    RunSaes.One faultless = one(HookPoint.residPost(1), "all", TestSaes.perfect(WIDTH));
    double[] mean = oracle(faultless, library).mean();
    RunSaes.One average = one(HookPoint.residPost(1), "all", TestSaes.constant(mean, FEATURES));
    try (RunSaes saes = new RunSaes(List.of(faultless, average))) {
      SparsityReport report = run(saes, "classes", 4, truth);
      SparsityReport.MeasuredSae best = report.saes().get(0);
      assertEquals(1, value(best.sparsity().explainedVariance()), 1e-9);
      assertEquals(1, value(best.sparsity().cosine()), 1e-9);
      assertEquals(WIDTH, best.sparsity().l0(), 1e-9);
      assertNotNull(best.zeroShot());
      assertEquals(1, value(best.zeroShot().ceRecovered().meanAblation()), 1e-5);
      assertEquals(1, value(best.zeroShot().ceRecovered().zeroAblation()), 1e-5);
      assertNotNull(best.legacy());
      assertEquals(1, value(best.legacy().explainedVariance()), 1e-9);
      assertEquals(1, value(best.legacy().cosine()), 1e-9);
      assertEquals(1, value(best.legacy().ceRecovered()), 1e-3);

      SparsityReport.MeasuredSae none = report.saes().get(1);
      assertEquals(0, value(none.sparsity().explainedVariance()), 1e-6);
      assertEquals(0, none.sparsity().l0());
      assertEquals(0, none.sparsity().alive());
      assertEquals(FEATURES, none.sparsity().histogram().never());
      assertNotNull(none.zeroShot());
      assertEquals(0, value(none.zeroShot().ceRecovered().meanAblation()), 1e-5);
      assertNotNull(none.legacy());
      assertEquals(0, value(none.legacy().explainedVariance()), 1e-5);
    }
  }

  @Test
  void theBatchSizeDoesNotMatter() {
    Truth truth = truth("classes");
    try (RunSaes saes = five()) {
      String one = numbers(run(saes, "classes", 1, truth));
      assertEquals(one, numbers(run(saes, "classes", 64, truth)));
    }
  }

  /** Blocks that processes compute in any order and store give what one process gives. */
  @Test
  void blocksOnDiskGiveTheSameBytes() {
    Truth truth = truth("classes");
    try (RunSaes saes = five()) {
      ImageBlocks blocks = new ImageBlocks(images("classes", 2), 4);
      SparsityRun run = new SparsityRun(model, blocks, saes, truth, true);
      var files = new BlockFiles(temp.resolve("blocks"), "a fingerprint");
      List<String> stages = new ArrayList<>();
      SparsityReport report =
          new SparsityBlocks(run, files)
              .run(
                  (stage, count) -> {
                    assertEquals(3, count);
                    assertEquals(List.of(0, 1, 2), files.missing(stage, count));
                    stages.add(stage);
                    for (int block = count - 1; block >= 0; block--) {
                      // Each process has a work of its own.
                      assertEquals(4, new SparsityBlocks(run, files).compute(stage, block));
                    }
                  });
      assertEquals(2, stages.size());
      assertEquals(List.of(), files.missing(stages.getLast(), 3));
      assertEquals(JsonFile.indented(run.run(Progress.SILENT)), JsonFile.indented(report), "bytes");
      assertEquals(
          numbers(run(saes, "classes", 2, truth)), numbers(report), "as of one block, rounded");
      SparsityReport whole = run(saes, "classes", 2, truth);
      for (int i = 0; i < 5; i++) {
        var expected = whole.saes().get(i).intervals();
        var actual = report.saes().get(i).intervals();
        assertEquals(expected.keySet(), actual.keySet());
        assertTrue(expected.size() > 5, expected.toString());
        expected.forEach(
            (name, one) -> {
              var own = Objects.requireNonNull(actual.get(name));
              assertEquals(one.low(), own.low(), 1e-9 * Math.abs(one.low()), name);
              assertEquals(one.high(), own.high(), 1e-9 * Math.abs(one.high()), name);
            });
      }
      var other = new BlockFiles(temp.resolve("blocks"), "another fingerprint");
      assertEquals(List.of(0, 1, 2), other.missing(stages.getLast(), 3));
    }
  }

  private static String numbers(SparsityReport report) {
    StringBuilder text = new StringBuilder();
    for (var entry : report.saes()) {
      assertNotNull(entry.zeroShot());
      text.append(
          "%.4f %.4f %.4f %.3f %.3f %.3f%n"
              .formatted(
                  entry.sparsity().l0(),
                  entry.sparsity().explainedVariance(),
                  entry.sparsity().cosine(),
                  entry.zeroShot().original().crossEntropy(),
                  entry.zeroShot().spliced().crossEntropy(),
                  entry.zeroShot().meanAblated().crossEntropy()));
    }
    return text.toString();
  }

  @Test
  void withoutClassesZeroShotIsLeftOutAndTheReportSaysSo() {
    for (String folder : List.of("flat", "single")) {
      Truth truth = truth(folder);
      assertNull(truth.library());
      try (RunSaes saes = five()) {
        SparsityReport report = run(saes, folder, 2, truth);
        assertEquals(1, report.notes().size());
        String note = report.notes().getFirst();
        assertTrue(note.contains("Zero-shot is skipped"), note);
        assertTrue(
            note.contains(folder.equals("flat") ? "no image has a label" : "one class"), note);
        for (var entry : report.saes()) {
          assertNull(entry.zeroShot());
          assertNotNull(entry.legacy());
          assertNotNull(entry.legacy().explainedVariance());
          assertNull(entry.legacy().ceRecovered());
        }
      }
    }
    try (ClipModel blind = ClipModel.load(MODELS.resolve("hf-clip-vision-only"))) {
      Truth truth =
          Truth.of(blind, images("classes", 4), null, ZeroShot.DEFAULT_TEMPLATES, Progress.SILENT);
      assertTrue(truth.library() == null && truth.reason().contains("no text tower"));
    }
  }

  @Test
  void givenWordsMustHoldEveryClass() {
    TextLibrary three = library("dog", "cat", "bird", "fish");
    Truth truth = Truth.of(model, images("classes", 4), three, List.of("{}"), Progress.SILENT);
    assertEquals(0, truth.rows().get("dog"));
    assertEquals(2, truth.rows().get("bird"));
    InputException missing =
        assertThrows(
            InputException.class,
            () ->
                Truth.of(
                    model,
                    images("classes", 4),
                    library("dog", "cat"),
                    List.of("{}"),
                    Progress.SILENT));
    assertTrue(String.valueOf(missing.getMessage()).contains("\"bird\""), missing::getMessage);
  }

  private static TextLibrary library(String... words) {
    int e = model.vision().config().embedDim();
    float[] rows = new float[words.length * e];
    for (int w = 0; w < words.length; w++) rows[w * e + w] = 1;
    return new TextLibrary(List.of(words), rows, e);
  }
}
