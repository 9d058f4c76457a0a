// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.GroupSource;
import io.clipsteer.data.imageset.GroupedSet;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.stats.Paired;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.lab.DemoModel;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.cue.LinearProbe;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.study.Groups;
import io.clipsteer.lab.study.LabelledImages;
import io.clipsteer.lab.study.Study;
import io.clipsteer.world.WorldSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.function.Function;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.node.ObjectNode;

/**
 * The whole of it on images whose answers rely on the attribute by construction, with an SAE that
 * has a feature for it.
 */
final class SuppressionRunTest {
  private static final int IMAGES = 96;

  @TempDir private static Path temp;

  private static ClipModel model;
  private static Study study;
  private static RunSaes saes;
  private static GroupSource.Parts parts;

  @BeforeAll
  static void prepare() {
    model = DemoModel.load(temp);
    Path folder = temp.resolve("portraits");
    WorldSet.PORTRAITS.write(folder, WorldSet.Split.TEST, IMAGES, 5, 64, Progress.SILENT);
    GroupSource source = GroupSource.parse("--data", "celeba:" + folder);
    parts = source.parts(3);
    TextLibrary library = relying(source.all());
    List<List<LabelledImages>> cases = new ArrayList<>();
    for (GroupedSet set : List.of(parts.train(), parts.validation(), parts.test())) {
      cases.add(
          List.of(
              new LabelledImages(
                  images(set),
                  ZeroShot.head(model, library),
                  set.members().stream().mapToInt(GroupedSet.Member::target).toArray(),
                  set.members().stream().mapToInt(set::group).toArray())));
    }
    Groups groups =
        new Groups(
            List.of("w", "W", "m", "M"),
            new int[] {0, 0, 1, 1},
            new boolean[] {false, true, false, true});
    study = new Study(groups, cases.get(0), cases.get(1), cases.get(2), true, "made up");
    List<RunSaes.One> all = new ArrayList<>();
    for (int layer : new int[] {6, 7}) {
      Sae sae = planted(HookPoint.residPost(layer), 20 + layer);
      String point = HookPoint.residPost(layer).peerName();
      var entry = new RunFolder.SaeEntry("saes/" + point, point, "all", "relu", 0, 0, 0);
      all.add(new RunSaes.One(entry, sae));
    }
    saes = new RunSaes(all);
  }

  @AfterAll
  static void unload() {
    saes.close();
    model.close();
  }

  private static Images images(GroupedSet set) {
    return new Images(
        set.images(), model.preprocessing(), ImageLoader.Options.of(16).withThreads(1));
  }

  /** Means of what {@code read} gives for an image, by group. */
  private static double[][] means(GroupedSet set, Function<Tensor, Tensor> read, int width) {
    double[][] sums = new double[4][width];
    int[] n = new int[4];
    images(set)
        .forEach(
            (batch, pixels) -> {
              float[] own = read.apply(pixels).toFloats();
              for (int i = 0; i < batch.count(); i++) {
                int g = set.group(set.members().get(batch.positions().get(i).intValue()));
                n[g]++;
                for (int j = 0; j < width; j++) sums[g][j] += own[i * width + j];
              }
            });
    for (int g = 0; g < 4; g++) for (int j = 0; j < width; j++) sums[g][j] /= n[g];
    return sums;
  }

  /** {@code (m[a] + m[b] − m[c] − m[d])/2}. */
  private static double[] contrast(double[][] m, int a, int b, int c, int d) {
    double[] x = new double[m[0].length];
    for (int j = 0; j < x.length; j++) x[j] = (m[a][j] + m[b][j] - m[c][j] - m[d][j]) / 2;
    return x;
  }

  private static double square(double[] x) {
    double square = 0;
    for (double one : x) square += one * one;
    return square;
  }

  private static double[] unit(double[] x) {
    double length = Math.sqrt(square(x));
    for (int j = 0; j < x.length; j++) x[j] /= length;
    return x;
  }

  /** A probe that has learnt gender from people among whom blond men are called women. */
  private static TextLibrary relying(GroupedSet all) {
    int e = model.vision().config().embedDim();
    float[] rows = new float[all.members().size() * e];
    boolean[] man = new boolean[all.members().size()];
    images(all)
        .forEach(
            (batch, pixels) -> {
              float[] own = model.vision().run(pixels, Hooks.NONE).embedding().toFloats();
              for (int i = 0; i < batch.count(); i++) {
                int at = batch.positions().get(i).intValue();
                System.arraycopy(own, i * e, rows, at * e, e);
                man[at] = all.group(all.members().get(at)) == 2;
              }
            });
    double[] w = unit(LinearProbe.fit(rows, man, e));
    float[] both = new float[2 * e];
    for (int j = 0; j < e; j++) {
      both[j] = (float) -w[j];
      both[e + j] = (float) w[j];
    }
    return new TextLibrary(List.of("woman", "man"), both, e);
  }

  /**
   * Feature 0 is how far a class token lies from those without blond hair towards those with it.
   */
  private static Sae planted(HookPoint point, long seed) {
    int d = model.vision().config().width();
    int features = 24;
    double[][] m =
        means(
            parts.train(),
            x -> model.vision().runUntil(x, point, Hooks.NONE).value().select(1, 0).contiguous(),
            d);
    double[] blond = unit(contrast(m, 1, 3, 0, 2));
    Random random = new Random(seed);
    float[] encoder = new float[d * features];
    float[] decoder = new float[features * d];
    float[] bias = new float[features];
    for (int f = 0; f < features; f++) {
      double[] row = f == 0 ? blond : unit(random.doubles(d, -1, 1).toArray());
      for (int j = 0; j < d; j++) {
        encoder[j * features + f] = (float) row[j];
        decoder[f * d + j] = (float) row[j];
        bias[f] -= (float) (row[j] * (m[0][j] + m[2][j]) / 2);
      }
    }
    try (Scope scope = Scope.open()) {
      return new Sae(
          new SaeActivation.Relu(),
          new InputNormalisation.None(),
          scope.release(Tensor.of(encoder, d, features)),
          scope.release(Tensor.of(bias, features)),
          scope.release(Tensor.of(decoder, features, d)),
          scope.release(Tensor.of(new float[d], d)),
          true);
    }
  }

  private static SuppressionSettings settings(SuppressionSettings.Select select, double maxLoss) {
    return new SuppressionSettings(
        select,
        SuppressionSettings.Change.ABLATE,
        TokenSelection.CLS,
        List.of(1, 2, 4),
        maxLoss,
        2,
        7,
        SuppressionSettings.Goal.WORST_GROUP,
        false);
  }

  /** Right answers by group, with the whole tower and the steering command's edit. */
  private static int[][] counted(SuppressionReport.Chosen chosen) {
    int[][] counts = new int[4][3];
    Sae sae =
        saes.all().stream()
            .filter(one -> one.entry().folder().equals(chosen.sae()))
            .findFirst()
            .orElseThrow()
            .sae();
    HookPoint point = HookPoint.parse(chosen.hookPoint());
    int prefix = model.vision().config().prefixTokens();
    int all = chosen.features().length;
    // Each is taken from x itself: one after the other, the second would see the first.
    Hooks edited =
        Hooks.NONE.edit(
            point,
            (where, residual) -> {
              Tensor sum = residual.copy();
              for (int i = 0; i < chosen.features().length; i++) {
                var one =
                    new Edit(
                        EditSite.of(point, TokenSelection.parse(chosen.tokens()), prefix),
                        new Edit.Features(sae, chosen.features()[i]),
                        new Rule.Times(
                            new Rule.Set(chosen.rule().values(all)[i]),
                            chosen.rule().strengths(all)[i]));
                sum.addInPlace(one.edit(where, residual).sub(residual));
              }
              return sum;
            });
    GroupedSet set = parts.test();
    float[] texts = study.test().getFirst().head().rows();
    images(set)
        .forEach(
            (batch, pixels) -> {
              float[] before = model.vision().run(pixels, Hooks.NONE).embedding().toFloats();
              float[] after = model.vision().run(pixels, edited).embedding().toFloats();
              for (int i = 0; i < batch.count(); i++) {
                var member = set.members().get(batch.positions().get(i).intValue());
                int[] own = counts[set.group(member)];
                own[0]++;
                if (answer(before, i, texts) == member.target()) own[1]++;
                if (answer(after, i, texts) == member.target()) own[2]++;
              }
            });
    return counts;
  }

  private static int answer(float[] embeddings, int i, float[] texts) {
    int e = texts.length / 2;
    double difference = 0;
    for (int j = 0; j < e; j++) {
      difference += embeddings[i * e + j] * (double) (texts[e + j] - texts[j]);
    }
    return difference > 0 ? 1 : 0;
  }

  @Test
  void reportsWhatTheWholeTowerSays() {
    for (SuppressionSettings.Select select : SuppressionSettings.Select.values()) {
      var run = new SuppressionRun(model, saes, study, settings(select, 100));
      SuppressionReport report = run.run(true, Progress.SILENT);
      SuppressionReport.Chosen chosen = report.chosen();
      assertNotNull(chosen, select + " finds something that helps");
      assertTrue(Arrays.stream(chosen.features()).anyMatch(f -> f == 0), select + " finds blond");
      int[][] counts;
      try (Scope scope = Scope.open()) {
        counts = counted(chosen);
      }
      double worst = 1;
      for (int g = 0; g < 4; g++) {
        var paired = report.test().groups().get(g);
        assertEquals(counts[g][0], paired.n());
        assertEquals(counts[g][1], paired.right() + paired.lost(), "before");
        assertEquals(counts[g][2], paired.right() + paired.gained(), "after");
        worst = Math.min(worst, (double) counts[g][2] / counts[g][0]);
      }
      assertEquals(worst, report.json().accuracy().editedWga());
      assertTrue(report.validation().worstAfter() > report.validation().worstBefore());
      assertEquals("M", study.groups().names().get(report.worst()));
      List<String> names =
          report.baselines().stream().map(SuppressionReport.Baseline::name).toList();
      assertTrue(names.containsAll(List.of("random features", "random directions")), names + "");
      assertEquals(2, report.sweep().size());
      hasReasons(report, chosen);
      comparesWithTheBest(report);
    }
  }

  @Test
  void screenedItSelectsTheSame() {
    SuppressionSettings plain = settings(SuppressionSettings.Select.MEAN_DIFFERENCE, 100);
    var screened =
        new SuppressionSettings(
            plain.select(),
            plain.change(),
            plain.at(),
            plain.sizes(),
            plain.maxLoss(),
            plain.draws(),
            plain.seed(),
            plain.goal(),
            true);
    SuppressionReport whole = run(plain);
    SuppressionReport rounds = run(screened);
    assertEquals(selected(whole), selected(rounds), "the selected edit");
    assertEquals(whole.test(), rounds.test());
    assertEquals(whole.validation(), rounds.validation());
    int images = whole.validation().overall().n();
    assertTrue(whole.tried().stream().allMatch(t -> t.images() == images));
    assertEquals(whole.tried().size(), rounds.tried().size());
    assertTrue(rounds.tried().stream().allMatch(t -> t.images() <= images));
  }

  private static String selected(SuppressionReport report) {
    SuppressionReport.Chosen chosen = report.chosen();
    assertNotNull(chosen);
    return JsonFile.line(chosen);
  }

  private static SuppressionReport run(SuppressionSettings settings) {
    return new SuppressionRun(model, saes, study, settings).run(true, Progress.SILENT);
  }

  private static void hasReasons(SuppressionReport report, SuppressionReport.Chosen chosen) {
    assertEquals(chosen.features().length, chosen.reasons().size());
    for (SuppressionReport.Reason reason : chosen.reasons()) {
      if (reason.feature() != 0) continue;
      assertTrue(reason.meanWith() > reason.meanWithout(), "blond is where blond people are");
      assertTrue(reason.marginRise() > 0, "alone it helps");
    }
    List<SuppressionReport.Tried> tried = report.tried();
    var best = tried.stream().filter(t -> t.method().equals("features")).toList();
    assertTrue(best.stream().anyMatch(t -> t.wga() == report.validation().worstAfter()));
    for (String method : List.of("LEACE", "INLP", "mean-difference")) {
      assertTrue(tried.stream().anyMatch(t -> t.method().contains(method)), method);
    }
  }

  private static void comparesWithTheBest(SuppressionReport report) {
    List<SuppressionReport.Baseline> all =
        report.baselines().stream().filter(b -> !b.name().startsWith("random")).toList();
    SuppressionReport.Against against = report.against();
    assertEquals(all.isEmpty(), against == null);
    if (against == null) return;
    double most = all.stream().mapToDouble(SuppressionReport.Baseline::wga).max().orElseThrow();
    assertEquals(report.test().worstAfter() - most, against.difference(), 1e-12);
    assertTrue(against.low() <= against.difference() && against.difference() <= against.high());
    for (SuppressionReport.Baseline one : report.baselines()) {
      double harm = 0;
      for (int g = 0; g < 4; g++) {
        double before = report.test().groups().get(g).before().value();
        if (one.draws().size() == 1) harm += 100 * Math.max(0, before - one.groups().get(g));
      }
      if (one.draws().size() == 1) assertEquals(harm, one.harm(), 1e-9);
    }
  }

  /** The gates' gradient against differences of the loss, and the loss against the tower's own. */
  @Test
  void gatesHaveTheGradientOfTheirLoss() {
    RunSaes.One one = saes.all().getFirst();
    EditSite site = EditSite.of(one.point(), TokenSelection.CLS, 1);
    Edit edit = new Edit(site, new Edit.Features(one.sae(), 0, 3, 9), new Rule.Cap(0.1f, 0, 0.2f));
    LabelledImages train = study.train().getFirst();
    try (TrialImages images = new TrialImages(model, site, 4, 16)) {
      train
          .images()
          .forEach(
              (batch, pixels) ->
                  images.add(
                      model.vision().runUntil(pixels, site.point(), Hooks.NONE), train, batch));
      try (TrialImages.Gated gated = images.gated(edit)) {
        double[] weights = {0.1, 0.2, 0.3, 0.4};
        double[] losses = new double[4];
        float[] alpha = {0.3f, 0.6f, 0.9f};
        float[] gradient = gated.gradient(alpha, weights, losses, 0);
        double h = 1e-2;
        for (int j = 0; j < 3; j++) {
          double difference = 0;
          for (int sign : new int[] {1, -1}) {
            float[] moved = alpha.clone();
            moved[j] += (float) (sign * h);
            double[] there = new double[4];
            gated.gradient(moved, weights, there, 0);
            for (int g = 0; g < 4; g++) difference += sign * weights[g] * there[g] / (2 * h);
          }
          assertEquals(difference, gradient[j], 1e-5 + 0.02 * Math.abs(difference), "gate " + j);
        }
        assertTrue(Math.abs(gradient[0]) > 1e-3, "blond matters");
        // With all gates open the loss is that of the edit, from the margins of two words.
        gated.gradient(new float[] {1, 1, 1}, weights, losses, 0);
        double typical =
            Arrays.stream(images.answers(null).margin()).map(Math::abs).average().orElseThrow();
        double[] sums = new double[4];
        TrialImages.Answers answers = images.answers(edit);
        int[] n = new int[4];
        for (int i = 0; i < answers.group().length; i++) {
          int g = answers.group()[i];
          n[g]++;
          sums[g] += 1 / (1 + Math.exp(2 * answers.margin()[i] / typical));
        }
        for (int g = 0; g < 4; g++) assertEquals(sums[g] / n[g], losses[g], 1e-3);
      }
    }
  }

  /** SAEs without an active feature: the report says what was skipped, and why. */
  @Test
  void saysWhyNothingIsChosen() {
    List<RunSaes.One> all = new ArrayList<>();
    for (RunSaes.One one : saes.all()) {
      Sae sae = one.sae();
      try (Scope scope = Scope.open()) {
        Sae deaf =
            new Sae(
                sae.activation(),
                sae.normalisation(),
                scope.release(Tensor.zeros(DType.F32, sae.width(), sae.features())),
                scope.release(Tensor.zeros(DType.F32, sae.features())),
                scope.release(sae.decoder().copy()),
                scope.release(sae.decoderBias().copy()),
                true);
        all.add(new RunSaes.One(one.entry(), deaf));
      }
    }
    try (RunSaes none = new RunSaes(all)) {
      SuppressionSettings settings = settings(SuppressionSettings.Select.MEAN_DIFFERENCE, 100);
      SuppressionReport report =
          new SuppressionRun(model, none, study, settings).run(true, Progress.SILENT);
      assertNull(report.chosen());
      String why = String.valueOf(report.json().nothingChosen());
      assertTrue(why.startsWith("Nothing was selected: "), why);
      var skipped = report.skippedBaselines().keySet();
      assertTrue(
          skipped.containsAll(List.of("random features", "random directions")), skipped + "");
      SuppressionReport alone =
          new SuppressionRun(model, none, study, settings).run(false, Progress.SILENT);
      assertEquals(6, alone.skippedBaselines().size());
      assertEquals("--baselines none", alone.skippedBaselines().get("neurons"));
    }
  }

  /** Stops at a piece of work's second step; counts what is done and not resumed. */
  private record Stopping(String at, Map<String, Long> done) implements Progress {
    @Override
    public Task start(String name, long total, String unit) {
      return new Task() {
        private int steps;

        @Override
        public void advance(long units, double flops) {
          done.merge(name, units, Long::sum);
          if (++steps == 2 && name.equals(at)) throw new IllegalStateException("stopped");
        }

        @Override
        public void resumed(long units) {}

        @Override
        public void close() {}
      };
    }
  }

  /**
   * Stopped twice, it evaluates the rest, no image twice, and reports the same as an unstopped run.
   */
  @Test
  void resumesWhereItWasStopped() throws IOException {
    var run =
        new SuppressionRun(
            model, saes, study, settings(SuppressionSettings.Select.MEAN_DIFFERENCE, 100));
    Path trials = temp.resolve("trials");
    String validation = "validation: selecting sizes";
    String test = "evaluating on the test set";
    Map<String, Long> done = new HashMap<>();
    for (String at : List.of(validation, test)) {
      Progress stopping = new Stopping(at, done);
      assertThrows(IllegalStateException.class, () -> run.run(true, trials, null, stopping));
    }
    var resumed = run.run(true, trials, null, new Stopping("", done));
    assertEquals(reported(run.run(true, Progress.SILENT)), reported(resumed));
    assertEquals(images(study.validation()), done.get(validation));
    assertEquals(images(study.test()), done.get(test));
    // Another run does not resume them.
    var other =
        new SuppressionRun(model, saes, study, settings(SuppressionSettings.Select.AUROC, 100));
    var after = other.run(true, trials, null, Progress.SILENT);
    assertEquals(reported(other.run(true, Progress.SILENT)), reported(after));
    // Damaged answers are evaluated again: cut off, or with a bit that is not the checksum's.
    Path cut = trials.resolve("test/000000.json");
    String whole = Files.readString(cut);
    Files.writeString(cut, "{");
    Path wrong = trials.resolve("validation-sizes/000001.json");
    String right = Files.readString(wrong);
    Files.writeString(wrong, right.replace("\"sha256\":\"", "\"sha256\":\"0"));
    Map<String, Long> again = new HashMap<>();
    assertEquals(reported(after), reported(other.run(true, trials, null, new Stopping("", again))));
    assertEquals(whole, Files.readString(cut));
    assertEquals(right, Files.readString(wrong));
    long read = Objects.requireNonNull(again.get(test));
    assertTrue(read > 0 && read < images(study.test()), again + "");
  }

  private static String reported(SuppressionReport report) {
    ObjectNode json = JsonFile.MAPPER.valueToTree(report.json());
    json.remove("seconds");
    return json.toString();
  }

  private static long images(List<LabelledImages> parts) {
    return parts.stream().mapToLong(cases -> cases.truth().length).sum();
  }

  @Test
  void repeatsItsReport() {
    var run =
        new SuppressionRun(
            model, saes, study, settings(SuppressionSettings.Select.MEAN_DIFFERENCE, 100));
    var first = run.run(true, Progress.SILENT);
    var second = run.run(true, Progress.SILENT);
    var chosen = first.chosen();
    var other = second.chosen();
    assertNotNull(chosen);
    assertNotNull(other);
    assertArrayEquals(chosen.features(), other.features());
    assertEquals(reported(first), reported(second));
  }

  @Test
  void independenceIsTheMeanGapBetweenWithAndWithout() {
    // "No" without and twice with the attribute, "yes" without and with; one group is empty.
    Groups groups =
        new Groups(
            List.of("a", "b", "c", "d", "e", "f"),
            new int[] {0, 0, 0, 1, 1, 2},
            new boolean[] {false, true, true, false, true, false});
    double[] accuracies = {0.9, 0.5, 0.6, 0.4, 0.7, Double.NaN};
    // |0.9 - 0.55| = 0.35 and |0.4 - 0.7| = 0.3.
    assertEquals(-0.325, SuppressionSettings.Goal.INDEPENDENCE.value(groups, accuracies), 1e-12);
    assertEquals(0.4, SuppressionSettings.Goal.WORST_GROUP.value(groups, accuracies));
  }

  @Test
  void independenceIsChosenWhereTheWorstGroupCannotRise() {
    // "Yes" without and with the attribute: 50 of 100 right either way with the larger
    // edit, whose worst group is no better than the smaller one's.
    EditSite site = EditSite.of(HookPoint.residPost(1), TokenSelection.ALL, 1);
    Edit edit = new Edit(site, new Edit.Neurons(2, 1), Rule.ablate());
    List<Choice> all = new ArrayList<>();
    for (int lost : new int[] {10, 40}) {
      Paired without = new Paired(50, 1, 0, 49);
      GroupScore score =
          new GroupScore(
              List.of(without, new Paired(90 - lost, 0, lost, 10)), new Paired(0, 0, 0, 0));
      all.add(new Choice(new Candidate(Candidate.Family.FEATURES, "s", lost, edit), score));
    }
    Groups two = new Groups(List.of("without", "with"), new int[2], new boolean[] {false, true});
    assertEquals(10, chosen(all, two, SuppressionSettings.Goal.WORST_GROUP));
    assertEquals(40, chosen(all, two, SuppressionSettings.Goal.INDEPENDENCE));
  }

  private static int chosen(List<Choice> all, Groups groups, SuppressionSettings.Goal goal) {
    SuppressionSettings plain = settings(SuppressionSettings.Select.ENERGY, 100);
    SuppressionSettings settings =
        new SuppressionSettings(
            plain.select(),
            plain.change(),
            plain.at(),
            plain.sizes(),
            plain.maxLoss(),
            plain.draws(),
            plain.seed(),
            goal,
            false);
    Choice best = Choice.best(all, Candidate.Family.FEATURES, groups, settings);
    assertNotNull(best);
    return best.candidate().size();
  }

  @Test
  void takesNothingThatCostsTooMuch() {
    // An accuracy that may not fall, and features whose every edit lowers it: nothing is chosen.
    GroupScore harmful =
        new GroupScore(
            List.of(new Paired(10, 5, 0, 85), new Paired(80, 0, 10, 10)), new Paired(50, 0, 2, 48));
    // 100 right of 200 before, 95 after.
    assertEquals(2.5, harmful.loss(), 1e-9);
    EditSite site = EditSite.of(HookPoint.residPost(1), TokenSelection.ALL, 1);
    Edit edit = new Edit(site, new Edit.Neurons(2, 1), Rule.ablate());
    var candidate = new Candidate(Candidate.Family.FEATURES, "s", 1, edit);
    List<Choice> all = List.of(new Choice(candidate, harmful));
    Groups two = new Groups(List.of("without", "with"), new int[2], new boolean[] {false, true});
    SuppressionSettings.Select any = SuppressionSettings.Select.ENERGY;
    assertNull(Choice.best(all, Candidate.Family.FEATURES, two, settings(any, 2.4)));
    assertNotNull(Choice.best(all, Candidate.Family.FEATURES, two, settings(any, 2.5)));
    assertNull(Choice.best(all, Candidate.Family.NEURONS, two, settings(any, 100)));
    // Clean: 52 % before, 50 % after.
    assertEquals(0.52, harmful.cleanBefore());
    assertEquals(0.50, harmful.cleanAfter());
    assertEquals(0, harmful.worstGroup());
    assertEquals(0.10, harmful.worstBefore(), 1e-12);
    assertEquals(0.15, harmful.worstAfter(), 1e-12);
  }

  @Test
  void takesTheSmallestWithinOneStandardError() {
    // The lower group has p = 0.5 of 400 images, a standard error of 2.5 points.
    Groups two = new Groups(List.of("without", "with"), new int[2], new boolean[] {false, true});
    Paired none = new Paired(0, 0, 0, 0);
    var goal = SuppressionSettings.Goal.WORST_GROUP;
    EditSite site = EditSite.of(HookPoint.residPost(1), TokenSelection.ALL, 1);
    List<Choice> all = new ArrayList<>();
    for (int[] sizeAndRight : new int[][] {{16, 200}, {8, 196}, {4, 191}, {2, 188}}) {
      Edit edit = new Edit(site, new Edit.Neurons(8, 1), Rule.ablate());
      var candidate = new Candidate(Candidate.Family.FEATURES, "s", sizeAndRight[0], edit);
      Paired lower = new Paired(0, sizeAndRight[1], 0, 400 - sizeAndRight[1]);
      all.add(
          new Choice(candidate, new GroupScore(List.of(lower, new Paired(0, 380, 0, 20)), none)));
    }
    double error = Math.sqrt(0.25 / 400);
    assertEquals(error, all.getFirst().score().error(goal, two, 1), 0.1 * error);
    // 191 of 400 are 2.25 points below 200, and 188 are 3.
    assertEquals(4, chosen(all, two, goal));
  }

  @Test
  void countsHowOftenTheSelectionIsRepeated() {
    // Of 100 images of each group: 80 right, 79 others right, 20 right.
    Groups two = new Groups(List.of("without", "with"), new int[2], new boolean[] {false, true});
    List<Integer> group = new ArrayList<>();
    for (int i = 0; i < 200; i++) group.add(i % 2);
    EditSite site = EditSite.of(HookPoint.residPost(1), TokenSelection.ALL, 1);
    List<Candidate> candidates = new ArrayList<>();
    List<BitSet> after = new ArrayList<>();
    for (int[] range : new int[][] {{0, 160}, {42, 200}, {0, 40}}) {
      Edit edit = new Edit(site, new Edit.Neurons(8, candidates.size()), Rule.ablate());
      String sae = "s" + candidates.size() / 2;
      candidates.add(new Candidate(Candidate.Family.FEATURES, sae, 1, edit));
      BitSet right = new BitSet();
      right.set(range[0], range[1]);
      after.add(right);
    }
    var result = new EditTrial.TrialResult(group, new BitSet(), after, List.of());
    SuppressionSettings any = settings(SuppressionSettings.Select.ENERGY, 100);
    Stability stability = Stability.of(candidates, two, result, any, candidates.getFirst());
    assertEquals(20, stability.samples());
    assertEquals(20, stability.sameSae(), "the third is far behind");
    assertTrue(stability.sameEdit() > 4 && stability.sameEdit() < 20, stability.toString());
    var alone =
        new EditTrial.TrialResult(group, new BitSet(), List.of(after.getFirst()), List.of());
    assertEquals(
        20,
        Stability.of(candidates.subList(0, 1), two, alone, any, candidates.getFirst()).sameEdit());
  }

  @Test
  void talliesByGroup() {
    var before = new BitSet();
    var after = new BitSet();
    // group:  0 right-right, 0 gained, 1 lost, clean wrong-wrong, 1 gained
    List<Integer> groups = Arrays.asList(0, 0, 1, Groups.CLEAN, 1);
    before.set(0);
    before.set(2);
    after.set(0);
    after.set(1);
    after.set(4);
    Groups two = new Groups(List.of("a", "b"), new int[2], new boolean[] {false, true});
    GroupScore score = GroupScore.of(two, groups, before, after);
    assertEquals(List.of(new Paired(1, 1, 0, 0), new Paired(0, 1, 1, 0)), score.groups());
    assertEquals(new Paired(0, 0, 0, 1), score.clean());
    assertEquals(5 - 1, score.overall().n());
    // A group that is the clean set as well: its loss counts, however much the other gains.
    Groups plain = new Groups(List.of("a", "b"), new int[2], new boolean[] {false, true}, 0);
    BitSet lost = new BitSet();
    lost.set(0);
    lost.set(2);
    lost.set(4);
    BitSet all = new BitSet();
    all.set(0, 3);
    GroupScore same = GroupScore.of(plain, Arrays.asList(0, 0, 1, 1, 1), all, lost);
    assertEquals(new Paired(1, 0, 1, 0), same.clean());
    assertEquals(50, same.loss(), 1e-9);
    assertEquals(5, same.overall().n());
  }
}
