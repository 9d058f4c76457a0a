// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.SharedData;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.AnswerHead.OutputPart;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.model.TokenMask;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.model.TowerOutput;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.steer.Continued;
import io.clipsteer.engine.steer.LastLayer;
import io.clipsteer.engine.steer.Sweep;
import io.clipsteer.lab.DemoModel;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunSaes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The two sweeps against the whole tower, and S against plain sums in float64. */
final class SteerabilityTest {
  private static final int IMAGES = 20;
  private static final int WORDS = 45;

  @TempDir private static Path temp;

  private static ClipModel model;
  private static TextLibrary library;
  private static Images source;

  @BeforeAll
  static void load() {
    model = DemoModel.load(temp);
    source = DemoModel.images(model, temp, IMAGES, 7);
    library = Fixture.library(WORDS, model.vision().config().embedDim(), 3);
  }

  @AfterAll
  static void unload() {
    model.close();
  }

  private static Tensor pixels(ClipModel clip, int images) {
    int side = clip.vision().config().imageSize();
    float[] values = new float[images * 3 * side * side];
    java.util.Random random = new java.util.Random(9);
    for (int i = 0; i < values.length; i++) {
      values[i] =
          (float) (Math.sin(i * 0.01 * (1 + i / (3 * side * side))) + 0.3 * random.nextGaussian());
    }
    return Tensor.of(values, images, 3, side, side);
  }

  /** Zero-shot words, and probes on the unit embedding and on the pooled token, with biases. */
  private static List<AnswerHead> heads(ClipModel clip, TextLibrary words) {
    var random = new java.util.Random(4);
    List<AnswerHead> heads = new ArrayList<>();
    heads.add(AnswerHead.zeroShot(words, clip.logitScale()));
    var config = clip.vision().config();
    for (OutputPart part : OutputPart.values()) {
      int width = part == OutputPart.POOLED ? config.width() : config.embedDim();
      float[] rows = new float[9 * width];
      float[] bias = new float[9];
      for (int i = 0; i < rows.length; i++) rows[i] = (float) random.nextGaussian();
      for (int i = 0; i < bias.length; i++) bias[i] = (float) random.nextGaussian();
      List<String> classes = words.words().subList(0, 9);
      heads.add(new AnswerHead(classes, rows, width, bias, 1, part));
    }
    return heads;
  }

  /** Softmax of the head's logits, in float64, from the tower's output. */
  private static double[] probabilities(TowerOutput output, AnswerHead head) {
    boolean unit = head.input() == OutputPart.EMBEDDING;
    float[] rows = (unit ? output.embedding() : output.pooled()).toFloats();
    int e = head.width();
    int v = head.words().size();
    double[] p = new double[rows.length / e * v];
    for (int i = 0; i < rows.length / e; i++) {
      double sum = 0;
      for (int w = 0; w < v; w++) {
        double score = head.bias()[w];
        for (int j = 0; j < e; j++) score += (double) rows[i * e + j] * head.rows()[w * e + j];
        p[i * v + w] = Math.exp(head.scale() * (score - 1));
        sum += p[i * v + w];
      }
      for (int w = 0; w < v; w++) p[i * v + w] /= sum;
    }
    return p;
  }

  /** A sweep's Δ of each image: every image is its own group. */
  private static double[][] changes(Sweep sweep, SteeredUnits units, boolean[] moved) {
    int n = sweep.images();
    int tokens = sweep.tokens();
    float[] lengths = new float[units.count() * n * tokens];
    var shifts = units.shifts(sweep.residuals());
    for (int u = 0; u < units.count(); u++) {
      shifts.fill(u, 0, n * tokens, lengths, u * n * tokens);
      for (int row = 0; row < n * tokens; row++) {
        if (!moved[row % tokens]) lengths[u * n * tokens + row] = 0;
      }
    }
    double[][] all = new double[units.count()][];
    try (Scope scope = Scope.open()) {
      sweep.run(
          units.directions(0, units.count()),
          lengths,
          0,
          n,
          n,
          (u, change) -> {
            all[u] = new double[n * change.words()];
            for (int i = 0; i < n; i++) {
              for (int w = 0; w < change.words(); w++) {
                all[u][i * change.words() + w] = change.sums()[i * change.stride() + w];
              }
            }
          });
    }
    return all;
  }

  private static void closedFormIsTheFullPath(ClipModel clip, TextLibrary words) {
    int closed = 0;
    for (AnswerHead head : heads(clip, words)) {
      if (LastLayer.holds(head)) {
        closedFormIsTheFullPath(clip, head);
        closed++;
      }
    }
    assertEquals(2, closed);
  }

  private static void closedFormIsTheFullPath(ClipModel clip, AnswerHead head) {
    int last = clip.vision().config().layers() - 1;
    int width = clip.vision().config().width();
    HookPoint point = HookPoint.residPost(last);
    try (Scope scope = Scope.open();
        Sae sae = Fixture.sae(width, 37, 1)) {
      Tensor pixels = pixels(clip, 5);
      Paused paused = clip.vision().runUntil(pixels, point, Hooks.NONE);
      Tensor cls = paused.value().select(1, 0).contiguous();
      double[] before = probabilities(clip.vision().run(pixels, Hooks.NONE), head);
      var readOut = Objects.requireNonNull(clip.vision().readOut());
      for (double strength : new double[] {150, -20, 3}) {
        try (LastLayer sweep = new LastLayer(readOut, cls, head)) {
          SteeredUnits units = SteeredUnits.FeatureUnits.all(sae, strength);
          double[][] closed = changes(sweep, units, new boolean[] {true});
          int prefix = clip.vision().config().prefixTokens();
          for (int f = 0; f < units.count(); f += 4) {
            var edit =
                new Edit(
                    EditSite.of(point, TokenSelection.ALL, prefix),
                    new Edit.Features(sae, f),
                    new Rule.Set((float) strength));
            var after = clip.vision().run(pixels, Hooks.NONE.edit(point, edit));
            assertArrayEquals(minus(probabilities(after, head), before), closed[f], 1e-5);
          }
        }
      }
    }
  }

  private static double[] minus(double[] a, double[] b) {
    double[] difference = new double[a.length];
    for (int i = 0; i < a.length; i++) difference[i] = a[i] - b[i];
    return difference;
  }

  @Test
  void closedFormIsTheFullPathOnTheDemoModel() {
    closedFormIsTheFullPath(model, library);
  }

  @Test
  void closedFormIsTheFullPathOnARealModel() {
    Path folder = SharedData.require("vit-tiny-clip");
    try (ClipModel clip = ClipModel.load(folder)) {
      closedFormIsTheFullPath(clip, TextLibrary.read(folder));
    }
  }

  @Test
  void goingOnFromAKeptResidualIsTheWholePass() {
    int width = model.vision().config().width();
    int prefix = model.vision().config().prefixTokens();
    for (HookPoint point : List.of(HookPoint.residPost(3), HookPoint.mlpOut(6))) {
      for (AnswerHead head : heads(model, library)) {
        TokenSelection tokens = head.isBiased() ? TokenSelection.ALL : TokenSelection.CLS;
        try (Scope scope = Scope.open();
            Sae sae = Fixture.sae(width, 9, 2)) {
          Tensor pixels = pixels(model, 4);
          Paused paused = model.vision().runUntil(pixels, point, Hooks.NONE);
          double[] before = probabilities(model.vision().run(pixels, Hooks.NONE), head);
          try (Continued sweep = new Continued(model.vision(), paused, head)) {
            boolean[] moved = new TokenMask(tokens.name()).mask(prefix, sweep.tokens());
            double[][] continued = changes(sweep, SteeredUnits.FeatureUnits.all(sae, 12), moved);
            for (int f = 0; f < 9; f++) {
              var edit =
                  new Edit(
                      EditSite.of(point, tokens, prefix),
                      new Edit.Features(sae, f),
                      new Rule.Set(12));
              var after = model.vision().run(pixels, Hooks.NONE.edit(point, edit));
              assertArrayEquals(minus(probabilities(after, head), before), continued[f], 1e-5);
            }
          }
        }
      }
    }
  }

  /** A model trained with a sigmoid: its probability of each word, by plain loops in float64. */
  @Test
  void sigmoidProbabilitiesMoveAsInTheWholePass() {
    Path folder = Path.of("../engine/src/test/resources/models/hf-siglip");
    HookPoint point = HookPoint.residPost(0);
    int features = 9;
    int images = 12;
    try (ClipModel clip = ClipModel.load(folder);
        Scope scope = Scope.open();
        Sae sae = Fixture.sae(clip.vision().config().width(), features, 2)) {
      TextLibrary words = Fixture.library(11, clip.vision().config().embedDim(), 5);
      AnswerHead head = ZeroShot.head(clip, words);
      assertFalse(LastLayer.holds(head));
      Tensor pixels = pixels(clip, images);
      double[] before = sigmoids(clip.vision().run(pixels, Hooks.NONE), head);
      Paused paused = clip.vision().runUntil(pixels, point, Hooks.NONE);
      double largest = 0;
      try (Continued sweep = new Continued(clip.vision(), paused, head)) {
        SteeredUnits units = SteeredUnits.FeatureUnits.all(sae, 30);
        List<UnitScore> scores =
            Fixture.measuring(sweep, units, words, Map.of()).run(0, features).scores();
        for (UnitScore score : scores) {
          var edit =
              new Edit(
                  EditSite.of(point, TokenSelection.ALL, 0),
                  new Edit.Features(sae, score.unit()),
                  new Rule.Set(30));
          double[] after = sigmoids(clip.vision().run(pixels, Hooks.NONE.edit(point, edit)), head);
          double mean = 0;
          for (int i = 0; i < images; i++) {
            int at = i * words.words().size() + score.top();
            mean += (after[at] - before[at]) / images;
          }
          assertEquals(mean, Objects.requireNonNull(score.sigmoid()), 1e-6 + 1e-4 * Math.abs(mean));
          largest = Math.max(largest, Math.abs(mean));
        }
      }
      assertTrue(largest > 1e-4, largest + " is hardly a change");
    }
  }

  /** Of the head's logits with its bias of a sigmoid, in float64, from the tower's output. */
  private static double[] sigmoids(TowerOutput output, AnswerHead head) {
    float[] rows = output.embedding().toFloats();
    int e = head.width();
    int v = head.words().size();
    double[] p = new double[rows.length / e * v];
    for (int at = 0; at < p.length; at++) {
      double cosine = 0;
      for (int j = 0; j < e; j++) {
        cosine += (double) rows[at / v * e + j] * head.rows()[at % v * e + j];
      }
      double logit = head.scale() * cosine + Objects.requireNonNull(head.sigmoidBias());
      p[at] = 1 / (1 + Math.exp(-logit));
    }
    return p;
  }

  /** Everything once more in float64, from the class token on. */
  @Test
  void steerabilityIsThatOfFloat64() {
    int d = model.vision().config().width();
    int features = 25;
    HookPoint point = HookPoint.residPost(model.vision().config().layers() - 1);
    try (Scope scope = Scope.open();
        Sae sae = Fixture.sae(d, features, 4)) {
      Tensor cls =
          model.vision().runUntil(pixels(model, 19), point, Hooks.NONE).value().select(1, 0);
      var readOut = Objects.requireNonNull(model.vision().readOut());
      var oracle = new SteerabilityOracle(readOut, library, model.logitScale());
      float[] x = cls.contiguous().toFloats();
      Map<Integer, Integer> names = new HashMap<>();
      for (int u = 0; u < features; u += 2) names.put(u, u % library.words().size());
      int steerable = 0;
      for (double strength : new double[] {150, 6}) {
        SteeredUnits.FeatureUnits units = SteeredUnits.FeatureUnits.all(sae, strength);
        try (LastLayer sweep =
            new LastLayer(
                readOut, cls.contiguous(), AnswerHead.zeroShot(library, model.logitScale()))) {
          var measuring = Fixture.measuring(sweep, units, library, names);
          SteerabilityFolder.Part part = measuring.run(0, features);
          Raised raised = Raised.NONE;
          for (UnitScore score : part.scores()) {
            double[][] delta = oracle.changes(sae, score.unit(), strength, x);
            Integer name = names.get(score.unit());
            if (name != null && score.unbiased() > 0.1) raised = raised.plus(raised(delta, name));
            SteerabilityOracle.Values expected = SteerabilityOracle.values(delta);
            assertEquals(expected.s(), score.s(), 1e-6);
            assertEquals(Math.max(0, expected.unbiased()), score.unbiased(), 1e-6);
            assertEquals(expected.power(), score.power(), 1e-6);
            assertEquals(expected.top(), score.top());
            assertTrue(score.low() <= score.unbiased() && score.unbiased() <= score.high());
          }
          assertEquals(raised.named(), part.raised().named());
          assertEquals(raised.raised(), part.raised().raised());
          assertEquals(raised.chance(), part.raised().chance(), 1e-9);
          steerable += raised.named();
        }
      }
      assertTrue(steerable > 0, "nothing to look names up for");
    }
  }

  /** By plain loops over images and words. */
  private static Raised raised(double[][] delta, int name) {
    int rising = 0;
    boolean own = false;
    for (int w = 0; w < delta[0].length; w++) {
      double sum = 0;
      for (double[] image : delta) sum += image[w];
      if (sum > 0) rising++;
      if (w == name) own = sum > 0;
    }
    return new Raised(1, own ? 1 : 0, (double) rising / delta[0].length);
  }

  private static SteerabilityReport measure(
      Path out, SteerabilitySettings settings, RunSaes saes, Progress progress) {
    RunManifest manifest =
        RunManifest.begin(List.of("steerability"), Map.of(), Map.of(), Map.of(), Map.of(), null);
    boolean resume = Files.exists(out);
    try (WorkFolder work = WorkFolder.open(out, SteerabilityFolder.LAYOUT, resume, manifest)) {
      var folder = new SteerabilityFolder(out);
      var report =
          new SteerabilityRun(
                  model, source, saes, ZeroShot.head(model, library), settings, Map.of())
              .run(folder, progress, widths -> {});
      folder.write(report);
      work.finish();
      return report;
    }
  }

  private static final class Stop extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  /** Stops after so many steps of the measurement itself. */
  private static Progress stopping(int steps) {
    int[] left = {steps};
    return (name, total, unit) ->
        new Progress.Task() {
          @Override
          public void advance(long units, double flops) {
            if (name.startsWith("steering") && left[0]-- == 0) throw new Stop();
          }

          @Override
          public void close() {}
        };
  }

  @Test
  void aStoppedMeasurementGoesOnToTheSameBytes() throws IOException {
    int width = model.vision().config().width();
    try (RunSaes saes =
        new RunSaes(
            List.of(
                Fixture.one(HookPoint.residPost(7), Fixture.sae(width, 130, 5)),
                Fixture.one(HookPoint.residPost(6), Fixture.sae(width, 70, 6))))) {
      SteerabilitySettings settings = Fixture.settings(0.1, true, 65, 0, List.of());
      var whole = measure(temp.resolve("whole"), settings, saes, Progress.SILENT);
      assertEquals(6, whole.layers().size());
      Path stopped = temp.resolve("stopped");
      assertThrows(Stop.class, () -> measure(stopped, settings, saes, stopping(1)));
      assertThrows(Stop.class, () -> measure(stopped, settings, saes, stopping(4)));
      var resumed = measure(stopped, settings, saes, Progress.SILENT);
      List<Path> tables = new ArrayList<>();
      try (var files = Files.list(temp.resolve("whole"))) {
        files.filter(f -> f.toString().endsWith(".csv")).forEach(tables::add);
      }
      assertEquals(6, tables.size());
      for (Path table : tables) {
        Path other = stopped.resolve(Objects.requireNonNull(table.getFileName()).toString());
        assertEquals(Files.readString(table), Files.readString(other), table.toString());
      }
      for (int k = 0; k < whole.layers().size(); k++) {
        assertEquals(whole.layers().get(k).share(), resumed.layers().get(k).share());
        assertEquals(whole.layers().get(k).curve(), resumed.layers().get(k).curve());
      }
      assertFalse(Files.exists(stopped.resolve("parts")));
      assertThrows(
          InputException.class,
          () -> measure(stopped, settings, saes, Progress.SILENT),
          "finished ones are not touched");
    }
  }

  @Test
  void theScreenAgreesWithTheWhole() {
    int width = model.vision().config().width();
    try (RunSaes saes =
        new RunSaes(List.of(Fixture.one(HookPoint.residPost(6), Fixture.sae(width, 150, 8))))) {
      var screen =
          measure(
              temp.resolve("screened"),
              Fixture.settings(0.1, true, 100, 0, List.of()),
              saes,
              Progress.SILENT);
      var full =
          measure(
              temp.resolve("full"),
              Fixture.settings(0.1, false, 100, 0, List.of()),
              saes,
              Progress.SILENT);
      int wrong = 0;
      int units = 0;
      for (int k = 0; k < full.layers().size(); k++) {
        var a = screen.layers().get(k);
        var b = full.layers().get(k);
        List<boolean[]> verdicts =
            List.of(verdicts(temp.resolve("screened"), a), verdicts(temp.resolve("full"), b));
        for (int u = 0; u < b.n(); u++) {
          if (verdicts.getFirst()[u] != verdicts.getLast()[u]) wrong++;
          units++;
        }
        assertTrue(a.evaluated() < b.evaluated(), a.evaluated() + " pairs of " + b.evaluated());
      }
      assertTrue(wrong <= 0.03 * units, wrong + " of " + units + " verdicts differ");
    }
  }

  private static boolean[] verdicts(Path folder, LayerResult layer) {
    String place = layer.sae().isEmpty() ? layer.hookPoint() : layer.hookPoint() + ".relu";
    try {
      List<String> lines =
          Files.readAllLines(folder.resolve(place + "." + layer.unit().word() + ".150.csv"));
      boolean[] above = new boolean[lines.size() - 1];
      for (int u = 0; u < above.length; u++) {
        above[u] = Double.parseDouble(lines.get(u + 1).split(",")[3]) > 0.1;
      }
      return above;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void tokensAreNamed() {
    assertArrayEquals(new boolean[] {true, true, true}, new TokenMask("all").mask(1, 3));
    assertArrayEquals(new boolean[] {true, false, false}, new TokenMask("cls").mask(1, 3));
    assertArrayEquals(new boolean[] {false, true, true}, new TokenMask("patches").mask(1, 3));
    assertArrayEquals(new boolean[] {true, false, true}, new TokenMask("2,0").mask(1, 3));
    assertThrows(InputException.class, () -> new TokenMask("3").mask(1, 3));
    assertThrows(InputException.class, () -> new TokenMask("here").mask(1, 3));
  }
}
