// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.stats.Share;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.steer.LastLayer;
import io.clipsteer.engine.steer.Sweep;
import io.clipsteer.lab.DemoModel;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.index.UnitRange;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.run.TowerWalk;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What steerability is asked beyond the paper: synonyms, strength, other words, names. */
final class StudiesTest {
  private static final int IMAGES = 20;
  private static final int WORDS = 45;

  @TempDir private static Path temp;

  private static ClipModel model;
  private static Images source;
  private static TextLibrary library;
  private static int width;

  @BeforeAll
  static void load() {
    model = DemoModel.load(temp);
    source = DemoModel.images(model, temp, IMAGES, 7);
    library = Fixture.library(WORDS, model.vision().config().embedDim(), 3);
    width = model.vision().config().width();
  }

  @AfterAll
  static void unload() {
    model.close();
  }

  private static final HookPoint LAST = HookPoint.residPost(7);

  /** Class tokens behind the last block, of noise. */
  private static Tensor classTokens() {
    Random random = new Random(11);
    int side = model.vision().config().imageSize();
    float[] values = new float[IMAGES * 3 * side * side];
    for (int i = 0; i < values.length; i++) values[i] = (float) random.nextGaussian();
    Tensor pixels = Tensor.of(values, IMAGES, 3, side, side);
    return model.vision().runUntil(pixels, LAST, Hooks.NONE).value().select(1, 0).contiguous();
  }

  private static List<UnitScore> scores(Tensor cls, Sae sae, TextLibrary words) {
    var readOut = Objects.requireNonNull(model.vision().readOut());
    SteeredUnits units = SteeredUnits.FeatureUnits.all(sae, 150);
    try (LastLayer sweep =
        new LastLayer(readOut, cls, AnswerHead.zeroShot(words, model.logitScale()))) {
      return Fixture.measuring(sweep, units, words, Map.of()).run(0, units.count()).scores();
    }
  }

  /** Every word and three others that mean nearly the same. */
  private static TextLibrary withSynonyms(TextLibrary words) {
    Random random = new Random(5);
    int e = words.width();
    List<String> names = new ArrayList<>();
    float[] rows = new float[4 * words.embeddings().length];
    for (int w = 0; w < words.words().size(); w++) {
      for (int k = 0; k < 4; k++) {
        names.add(words.words().get(w) + " " + k);
        for (int j = 0; j < e; j++) {
          double noise = k == 0 ? 0 : 0.0005 * random.nextGaussian();
          rows[(4 * w + k) * e + j] = (float) (words.embeddings()[w * e + j] + noise);
        }
      }
    }
    return new TextLibrary(names, rows, e);
  }

  @Test
  void semanticSDoesNotSplitSynonyms() {
    try (Scope scope = Scope.open();
        Sae sae = Fixture.sae(width, 60, 4)) {
      Tensor cls = classTokens();
      List<UnitScore> before = scores(cls, sae, library);
      List<UnitScore> after = scores(cls, sae, withSynonyms(library));
      double plain = 0;
      double semantic = 0;
      int n = 0;
      for (int u = 0; u < before.size(); u++) {
        UnitScore a = before.get(u);
        UnitScore b = after.get(u);
        if (a.s() < 0.02) continue;
        n++;
        plain += 1 - b.s() / a.s();
        semantic += Math.abs(1 - b.semantic() / a.semantic());
      }
      assertTrue(n > 20, n + " units");
      assertTrue(plain / n > 0.2, "plain S falls by " + plain / n);
      assertTrue(semantic / n < 0.05, "semantic S changes by " + semantic / n);
    }
  }

  @Test
  void semanticIsTheDoubleSum() {
    TextLibrary words = withSynonyms(Fixture.library(30, 16, 8));
    int v = words.words().size();
    int e = words.width();
    double[][] unit = new double[v][e];
    for (int j = 0; j < e; j++) {
      double mean = 0;
      for (int w = 0; w < v; w++) mean += (double) words.embeddings()[w * e + j] / v;
      for (int w = 0; w < v; w++) unit[w][j] = words.embeddings()[w * e + j] - mean;
    }
    Random random = new Random(2);
    double[] m = random.doubles(v, -0.1, 0.1).toArray();
    double sum = 0;
    int between = 0;
    for (int a = 0; a < v; a++) {
      for (int b = 0; b < v; b++) {
        double cosine =
            dot(unit[a], unit[b]) / Math.sqrt(dot(unit[a], unit[a]) * dot(unit[b], unit[b]));
        double likeness = Math.clamp((cosine - 0.5) / 0.4, 0.0, 1.0);
        if (likeness > 0 && likeness < 1) between++;
        sum += likeness * m[a] * m[b];
      }
    }
    assertTrue(between > 10, between + " pairs that are somewhat alike");
    assertEquals(sum, Similarity.of(AnswerHead.zeroShot(words, 1)).semantic(m), 1e-5);
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int j = 0; j < a.length; j++) sum += a[j] * b[j];
    return sum;
  }

  /** Against Edit and plain loops over all pairs of tokens. */
  @Test
  void dosesAreThoseOfTheEdit() {
    try (Scope scope = Scope.open();
        Sae sae = Fixture.sae(width, 12, 4)) {
      Tensor cls = classTokens();
      float[] x = cls.toFloats();
      List<UnitScore> full = scores(cls, sae, library);
      var readOut = Objects.requireNonNull(model.vision().readOut());
      int[] ids = {3, 8};
      int[] words = {full.get(3).top(), full.get(8).top()};
      try (LastLayer sweep =
          new LastLayer(readOut, cls, AnswerHead.zeroShot(library, model.logitScale()))) {
        List<Dosing.DosedFeature> dosed = new ArrayList<>();
        for (int k = 0; k < ids.length; k++) {
          dosed.add(new Dosing.DosedFeature(ids[k], words[k], null));
        }
        List<Strength> strengths = Dosing.strengths(Strength.of(150));
        List<Dose> doses = Dosing.run(sweep, sae, new boolean[] {true}, dosed, strengths);
        for (int k = 0; k < ids.length; k++) {
          Dose dose = doses.get(k);
          assertEquals(ids[k], dose.unit());
          assertEquals(9, dose.points().size());
          assertEquals(full.get(ids[k]).power(), dose.points().getLast().change(), 1e-6);
          for (Dose.DosePoint point : dose.points()) {
            var edit =
                new Edit(
                    EditSite.of(LAST, TokenSelection.ALL, 1),
                    new Edit.Features(sae, ids[k]),
                    new Rule.Set((float) point.strength()));
            float[] y = edit.edit(LAST, cls.reshape(IMAGES, 1, width)).toFloats();
            assertEquals(norms(x, y), point.norm(), 1e-4 * point.norm());
            assertEquals(distances(x, y) / distances(x, x), point.nearest(), 1e-3);
            assertTrue(point.low() <= point.change() && point.change() <= point.high());
          }
        }
      }
    }
  }

  /** Random directions in the place of features move every token as far as these do. */
  @Test
  void pairedDirectionsMoveTokensAsFarAsFeatures() {
    try (Scope scope = Scope.open();
        Sae sae = Fixture.sae(width, 12, 4)) {
      Tensor cls = classTokens();
      int[] ids = {7, 2, 7};
      var features = new SteeredUnits.FeatureUnits(sae, ids, new double[] {3, 0.5, 3});
      var paired = new SteeredUnits.PairedUnits(features, 5);
      float[] rows = sae.decoder().toFloats();
      float[] drawn = paired.directions(0, 3).toFloats();
      float[] far =
          paired.shifts(cls).lengths(new int[] {0, 1, 2}, 0, IMAGES, new boolean[] {true});
      for (int k = 0; k < ids.length; k++) {
        double own = 0;
        double other = 0;
        double product = 0;
        for (int j = 0; j < width; j++) {
          float a = rows[ids[k] * width + j];
          float b = drawn[k * width + j];
          own += (double) a * a;
          other += (double) b * b;
          product += (double) a * b;
        }
        assertEquals(own, other, 1e-5 * own);
        assertTrue(Math.abs(product) < 0.6 * own, "it is another direction");
        var edit =
            new Edit(
                EditSite.of(LAST, TokenSelection.ALL, 1),
                new Edit.Features(sae, ids[k]),
                new Rule.Set((float) features.strengths()[k]));
        float[] x = cls.toFloats();
        float[] y = edit.edit(LAST, cls.reshape(IMAGES, 1, width)).toFloats();
        for (int i = 0; i < IMAGES; i++) {
          double moved = 0;
          for (int j = 0; j < width; j++) moved += Math.pow(y[i * width + j] - x[i * width + j], 2);
          assertEquals(Math.sqrt(moved), Math.abs(far[k * IMAGES + i]) * Math.sqrt(other), 1e-3);
        }
      }
      assertTrue(
          !Arrays.equals(
              Arrays.copyOf(drawn, width), Arrays.copyOfRange(drawn, 2 * width, 3 * width)));
    }
  }

  /** Each unit is set to its own largest activation; those that were never active are absent. */
  @Test
  void strengthsInOwnUnitsAreThoseOfTheIndex() throws IOException {
    try (Sae sae = Fixture.sae(width, 40, 5);
        RunSaes saes = new RunSaes(List.of(Fixture.one(LAST, sae)))) {
      Map<Integer, Findings.IndexedFeature> indexed = new HashMap<>();
      for (int id = 0; id < 40; id++) {
        UnitRange range = new UnitRange(id % 4 == 0 ? 0 : 0.1 * id, List.of());
        indexed.put(id, new Findings.IndexedFeature(-1, 0.5, range));
      }
      var known = Map.of(saes.all().getFirst().entry().folder(), indexed);
      List<Strength> set = List.of(Strength.times(2), Strength.of(150));
      var settings =
          new SteerabilitySettings(
              List.of(SteeredUnits.UnitKind.values()),
              set,
              0.1,
              "all",
              false,
              0,
              16,
              2,
              List.of(),
              1);
      var run =
          new SteerabilityRun(model, source, saes, ZeroShot.head(model, library), settings, known);
      Path out = temp.resolve("own");
      var report = run.run(new SteerabilityFolder(out), Progress.SILENT, widths -> {});
      assertEquals(6, report.layers().size());
      LayerResult features = report.layers().getFirst();
      assertEquals("2x", features.set().toString());
      assertEquals(30, features.n());
      assertEquals(40, report.layers().get(3).n());
      assertTrue(features.norm() < report.layers().get(3).norm());
      assertTrue(features.nearest() < report.layers().get(3).nearest());
      for (UnitScore score : features.scores()) {
        var alone = SteeredUnits.FeatureUnits.of(sae, new int[] {score.unit()}, 0.2 * score.unit());
        assertEquals(alone(alone, run), score.s(), 1e-7);
      }
      // Two kinds at two strengths; the difference is that of the means in the tables.
      assertEquals(4, report.comparisons().size());
      BaselineComparison first = report.comparisons().getFirst();
      assertEquals(SteeredUnits.UnitKind.NEURONS, first.baseline());
      assertEquals(first.meanFeatures() - first.meanBaseline(), first.difference(), 1e-12);
      assertTrue(first.low() <= first.difference() && first.difference() <= first.high());
      assertEquals(features.meanUnbiased(), first.meanFeatures(), 1e-3);
      assertEquals(10, features.doses().getFirst().points().size());
      assertEquals(5, features.doses().getFirst().points().getLast().strength(), 1e-6);
      var none =
          new SteerabilityRun(
              model, source, saes, ZeroShot.head(model, library), settings, Map.of());
      assertThrows(InputException.class, none::check);
    }
  }

  /** S of one unit on the run's images. */
  private static double alone(SteeredUnits units, SteerabilityRun run) {
    TowerWalk walk = TowerWalk.past(model.vision(), List.of(LAST));
    try (Sweep sweep =
        run.images().prepare(walk, List.of(LAST), Progress.SILENT).getFirst().sweep()) {
      return Fixture.measuring(sweep, units, library, Map.of()).run(0, 1).scores().getFirst().s();
    }
  }

  /** Units without an effect in common differ by chance only; shifted ones are told apart. */
  @Test
  void aComparisonFindsDifferencesAndNoneWhereThereIsNone() {
    Random random = new Random(3);
    int wrong = 0;
    int found = 0;
    for (int draw = 0; draw < 200; draw++) {
      LayerResult features = drawn(random, SteeredUnits.UnitKind.FEATURES, 0);
      List<LayerResult> same = List.of(features, drawn(random, SteeredUnits.UnitKind.RANDOM, 0));
      if (BaselineComparison.of(same).getFirst().p() < 0.05) wrong++;
      List<LayerResult> less =
          List.of(features, drawn(random, SteeredUnits.UnitKind.RANDOM, -0.05));
      if (BaselineComparison.of(less).getFirst().isMore()) found++;
    }
    assertTrue(wrong >= 2 && wrong <= 20, wrong + " of 200 without a difference");
    assertTrue(found > 150, found + " of 200 differences");
  }

  private static LayerResult drawn(Random random, SteeredUnits.UnitKind kind, double shift) {
    ResampledUnits units = ResampledUnits.NONE;
    List<UnitScore> scores = new ArrayList<>();
    for (int u = 0; u < 100; u++) {
      double s = 0.2 + shift + 0.1 * random.nextGaussian();
      units = units.plus(ResampledUnits.of(s, new double[Measuring.DRAWS], 0.1));
      scores.add(score(u, s));
    }
    var part = new SteerabilityFolder.Part(scores, units, 0, Raised.NONE, 0);
    try (Sae sae = Fixture.sae(1, 1, 1)) {
      var one = Fixture.one(LAST, sae);
      var site = new LayerResult.MeasuredSite(one, kind, Strength.of(150), 9, 0.1, false);
      return LayerResult.of(site, part, new double[2], List.of());
    }
  }

  private static double norms(float[] x, float[] y) {
    double sum = 0;
    for (int i = 0; i < IMAGES; i++) {
      double before = 0;
      double after = 0;
      for (int j = 0; j < width; j++) {
        before += (double) x[i * width + j] * x[i * width + j];
        after += (double) y[i * width + j] * y[i * width + j];
      }
      sum += Math.sqrt(after / before) / IMAGES;
    }
    return sum;
  }

  /** Sum over rows of y of the distance to the nearest row of x but its own. */
  private static double distances(float[] x, float[] y) {
    double sum = 0;
    for (int i = 0; i < IMAGES; i++) {
      double nearest = Double.POSITIVE_INFINITY;
      for (int o = 0; o < IMAGES; o++) {
        if (o == i) continue;
        double square = 0;
        for (int j = 0; j < width; j++) {
          double d = y[i * width + j] - x[o * width + j];
          square += d * d;
        }
        nearest = Math.min(nearest, square);
      }
      sum += Math.sqrt(nearest);
    }
    return sum;
  }

  @Test
  void halfIsBetweenThePointsAroundIt() {
    List<Dose.DosePoint> points = new ArrayList<>();
    double[] changes = {-0.1, 0.1, 0.5, 0.7, 0.8};
    for (int k = 0; k < changes.length; k++) {
      points.add(new Dose.DosePoint(10 * k, changes[k], 0, 0, 1, 1));
    }
    // Half of 0.8 is met three quarters of the way from 0.1 to 0.5.
    assertEquals(17.5, Dose.of(0, 0, points).half(), 1e-9);
  }

  private static SteerabilitySettings settings(int dose, List<Integer> vocabularies) {
    return Fixture.settings(0.001, false, 16, dose, vocabularies);
  }

  @Test
  void partsOfTheVocabularyAreMeasuredAsVocabularies() throws IOException {
    try (RunSaes saes = new RunSaes(List.of(Fixture.one(LAST, Fixture.sae(width, 40, 5))))) {
      SteerabilitySettings settings = settings(3, List.of(10, 40));
      Path out = temp.resolve("parts");
      var folder = new SteerabilityFolder(out);
      var whole =
          new SteerabilityRun(
              model, source, saes, ZeroShot.head(model, library), settings, Map.of());
      SteerabilityReport report = whole.run(folder, Progress.SILENT, widths -> {});
      // 10 words twice, 40 of 45 but once; features, neurons and random directions.
      assertEquals(9, report.vocabularies().size());
      int[] order = SteerabilityRun.shuffled(WORDS, settings.seed());
      var other = whole.with(Arrays.copyOfRange(order, 10, 20));
      Set<String> words = new HashSet<>(other.head().words());
      assertEquals(10, words.size());
      words.addAll(whole.with(Arrays.copyOf(order, 10)).head().words());
      assertEquals(20, words.size());
      VocabularyResult second = report.vocabularies().get(3);
      assertEquals("b", second.draw());
      assertNotNull(second.other());
      assertNull(report.vocabularies().getFirst().other());
      var alone =
          other.run(new SteerabilityFolder(temp.resolve("alone")), Progress.SILENT, widths -> {});
      assertEquals(alone.layers().getFirst().meanS(), second.part().meanS(), 1e-12);
      assertEquals(alone.layers().getFirst().coverage(), second.part().coverage());
      assertEquals(3, report.layers().getFirst().doses().size());
      List<String> lines = Files.readAllLines(out.resolve(LAST + ".relu.features.dose.csv"));
      assertEquals(1 + 3 * 9, lines.size());
      assertTrue(report.layers().getLast().doses().isEmpty());
    }
  }

  @Test
  void partsMustBeParts() {
    try (RunSaes saes = new RunSaes(List.of(Fixture.one(LAST, Fixture.sae(width, 9, 5))))) {
      for (int size : new int[] {1, WORDS}) {
        var run =
            new SteerabilityRun(
                model,
                source,
                saes,
                ZeroShot.head(model, library),
                settings(0, List.of(size)),
                Map.of());
        assertThrows(InputException.class, run::check);
      }
    }
  }

  private static UnitScore score(int unit, double s, int... promoted) {
    List<UnitScore.Moved> moved = new ArrayList<>();
    for (int word : promoted) moved.add(new UnitScore.Moved(word, 0.1));
    return new UnitScore(unit, 9, s, s, s, s, s, s, null, moved, List.of());
  }

  private static LayerResult layer(int number, UnitScore... scores) {
    var kind = SteeredUnits.UnitKind.FEATURES;
    String point = HookPoint.residPost(number).peerName();
    var entry = new RunFolder.SaeEntry("sae" + number, point, "all", "relu", 0, 0, 0);
    Raised raised = new Raised(scores.length, 1, 0.5 * scores.length);
    var part = new SteerabilityFolder.Part(List.of(scores), ResampledUnits.NONE, 0, raised, 0);
    try (Sae sae = Fixture.sae(1, 1, 1)) {
      var one = new RunSaes.One(entry, sae);
      var site = new LayerResult.MeasuredSite(one, kind, Strength.of(150), 9, 0.1, false);
      return LayerResult.of(site, part, new double[2], List.of());
    }
  }

  private static Findings.IndexedFeature indexed(int name, double cover) {
    return new Findings.IndexedFeature(name, cover, new UnitRange(1, List.of()));
  }

  @Test
  void namesAndPlacesAreLookedUp() {
    LayerResult early =
        layer(1, score(0, 0.5, 4, 5), score(1, 0.4, 5, 6), score(2, 0.3, 7), score(3, 0.01, 8));
    LayerResult late =
        layer(6, score(0, 0.6, 4), score(1, 0.2, 5), score(2, 0.9, 7), score(3, 0.8, 8));
    Map<String, Map<Integer, Findings.IndexedFeature>> known =
        Map.of(
            "sae1",
            Map.of(
                0, indexed(4, 0.1),
                1, indexed(6, 0.2),
                2, indexed(-1, 0.3),
                3, indexed(8, 0.4)),
            "sae6",
            Map.of(
                0, indexed(1, 0.9),
                1, indexed(5, 0),
                2, indexed(7, 0.7)));
    Findings findings = Findings.of(known, List.of(early, late), 0.1);
    Findings.Named named = findings.names().getFirst();
    assertEquals(3, named.steerable());
    assertEquals(1, named.outside());
    assertEquals(Share.of(1, 2), named.first());
    assertEquals(Share.of(2, 2), named.among());
    assertEquals(Share.of(1, 4), named.raised());
    assertEquals(0.5, named.chance());
    assertEquals(Share.of(2, 3), findings.names().getLast().first());
    // S falls while cover rises.
    assertEquals(-1, findings.locality().getFirst().correlation().value(), 1e-12);
    // Only words 4 and 7 have features with a place in both layers.
    assertEquals(2, findings.bestLayerWords());
    assertNull(findings.bestLayer());
  }
}
