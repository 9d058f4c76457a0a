// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.EncodedTokens;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.steer.SteeredSite;
import io.clipsteer.lab.steer.Strength;
import io.clipsteer.lab.steer.UnitNumbers;
import io.clipsteer.lab.steer.UnitRule;
import io.clipsteer.lab.steer.UnitStrengths;
import io.clipsteer.lab.study.Groups;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Edits against the whole path through the SAE, and rankings against plain loops in float64. */
final class EditTest {
  private static final Path CLIP = Path.of("../engine/src/test/resources/models/hf-clip-quickgelu");
  private static final HookPoint POINT = HookPoint.residPost(1);
  private static final EditSite THREE = EditSite.of(POINT, TokenSelection.ALL, 1);
  private static final int FEATURES = 40;

  private static ClipModel model;
  private static Sae sae;

  @BeforeAll
  static void load() {
    model = ClipModel.load(CLIP);
    sae = sae(model.vision().config().width(), FEATURES, 4);
  }

  @AfterAll
  static void unload() {
    sae.close();
    model.close();
  }

  private static float[] normal(Random random, double deviation, int n) {
    float[] values = new float[n];
    for (int i = 0; i < n; i++) values[i] = (float) (deviation * random.nextGaussian());
    return values;
  }

  /** A ReLU SAE on normed tokens, its weights made up. */
  static Sae sae(int d, int f, long seed) {
    Random random = new Random(seed);
    try (Scope scope = Scope.open()) {
      return new Sae(
          new SaeActivation.Relu(),
          new InputNormalisation.LayerNorm(),
          scope.release(Tensor.of(normal(random, 1 / Math.sqrt(d), d * f), d, f)),
          scope.release(Tensor.of(normal(random, 0.3, f), f)),
          scope.release(Tensor.of(normal(random, 1 / Math.sqrt(d), f * d), f, d)),
          scope.release(Tensor.of(normal(random, 0.1, d), d)),
          true);
    }
  }

  private static Tensor pixels(int n) {
    int side = model.vision().config().imageSize();
    return Tensor.of(normal(new Random(8), 1, n * 3 * side * side), n, 3, side, side);
  }

  /** decode(f') + (x − decode(f)) of one token, in float64 from the SAE's weights. */
  private static double[] whole(float[] x, int at, int[] ids, float[] values, boolean cap) {
    int d = sae.width();
    float[] encoder = sae.encoder().toFloats();
    float[] bias = sae.encoderBias().toFloats();
    float[] decoder = sae.decoder().toFloats();
    float[] centre = sae.decoderBias().toFloats();
    double mean = 0;
    for (int j = 0; j < d; j++) mean += x[at + j] / (double) d;
    double square = 0;
    for (int j = 0; j < d; j++) square += Math.pow(x[at + j] - mean, 2);
    double scale = Math.sqrt(square / (d - 1)) + 1e-5;
    double[] given = new double[d];
    double[] changed = new double[d];
    for (int f = 0; f < FEATURES; f++) {
      double activation = bias[f];
      for (int j = 0; j < d; j++) {
        activation += ((x[at + j] - mean) / scale - centre[j]) * encoder[j * FEATURES + f];
      }
      activation = Math.max(0, activation);
      double other = activation;
      for (int i = 0; i < ids.length; i++)
        if (ids[i] == f && (!cap || activation > values[i])) other = values[i];
      for (int j = 0; j < d; j++) {
        given[j] += activation * decoder[f * d + j];
        changed[j] += other * decoder[f * d + j];
      }
    }
    double[] result = new double[d];
    for (int j = 0; j < d; j++) {
      double back = (given[j] + centre[j]) * scale + mean;
      result[j] = (changed[j] + centre[j]) * scale + mean + (x[at + j] - back);
    }
    return result;
  }

  @Test
  void featuresTakeTheFullPathThroughTheSae() {
    int[] ids = {7, 3, 31};
    for (float[] values :
        List.of(new float[3], new float[] {0.5f, -2, 1}, new float[] {0.5f, 0, 0.3f})) {
      boolean cap = values[2] == 0.3f;
      for (TokenSelection tokens : TokenSelection.values()) {
        try (Scope scope = Scope.open()) {
          int prefix = model.vision().config().prefixTokens();
          Tensor pixels = pixels(3);
          Paused paused = model.vision().runUntil(pixels, POINT, Hooks.NONE);
          EditSite site = EditSite.of(POINT, tokens, prefix);
          var tokensThere = new EncodedTokens(paused.value(), site, List.of(sae));
          Rule rule = cap ? new Rule.Cap(values) : new Rule.Set(values);
          Edit edit = new Edit(site, new Edit.Features(sae, ids), rule);
          Paused edited = paused.with(tokensThere.edited(edit));
          Tensor mine = model.vision().continueFrom(edited, Hooks.NONE).embedding();
          var hooks =
              Hooks.NONE.edit(
                  POINT,
                  (where, residual) -> {
                    int t = (int) residual.size(1);
                    int d = (int) residual.size(2);
                    float[] all = residual.toFloats();
                    float[] changed = all.clone();
                    int first = tokens.first(prefix);
                    int count = tokens.count(prefix, t);
                    for (int row = 0; row < all.length / d; row++) {
                      if (row % t < first || row % t >= first + count) continue;
                      double[] other = whole(all, row * d, ids, values, cap);
                      for (int j = 0; j < d; j++) changed[row * d + j] = (float) other[j];
                    }
                    return Tensor.of(changed, residual.shape());
                  });
          float[] theirs = model.vision().run(pixels, hooks).embedding().toFloats();
          assertArrayEquals(theirs, mine.toFloats(), 2e-5f);
          float[] plain = model.vision().run(pixels, Hooks.NONE).embedding().toFloats();
          double moved = 0;
          for (int i = 0; i < plain.length; i++) moved += Math.abs(plain[i] - theirs[i]);
          assertTrue(moved > 1e-3, "the edit does something");
        }
      }
    }
  }

  @Test
  void ablationIsTheSteeringCommandsAblation() {
    try (Scope scope = Scope.open()) {
      int prefix = model.vision().config().prefixTokens();
      Paused paused = model.vision().runUntil(pixels(2), POINT, Hooks.NONE);
      EditSite site = EditSite.of(POINT, TokenSelection.ALL, prefix);
      var tokens = new EncodedTokens(paused.value(), site, List.of(sae));
      Edit edit = new Edit(site, new Edit.Features(sae, 1, 2), new Rule.Set(new float[2]));
      var numbers = new UnitNumbers(List.of(1, 2), List.of(), List.of());
      var entry = new RunFolder.SaeEntry("saes/x", POINT.peerName(), "all", "relu", 0, 0, 0);
      var strengths =
          new UnitStrengths(new IndexFolder(Path.of("no-index")), Path.of("no-run"), entry);
      var steered = new SteeredSite(site, sae, numbers, false, false, strengths);
      assertArrayEquals(
          steered.edit(UnitRule.set(Strength.of(0))).edit(POINT, paused.value()).toFloats(),
          tokens.edited(edit).toFloats());
    }
  }

  /** Rows as encoded tokens, three of an image. */
  private static EncodedTokens moment(float[] rows, int d) {
    return new EncodedTokens(Tensor.of(rows, rows.length / d / 3, 3, d), THREE, List.of(sae));
  }

  @Test
  void baselinesAreWhatTheySay() {
    int d = sae.width();
    float[] rows = normal(new Random(2), 1, 6 * d);
    try (Scope scope = Scope.open()) {
      EncodedTokens moment = moment(rows, d);
      Edit neurons = new Edit(THREE, new Edit.Neurons(d, 5, 2), new Rule.Set(0, 3));
      float[] set = moment.edited(neurons).toFloats();
      for (int i = 0; i < rows.length; i++) {
        float wanted = i % d == 5 ? 0 : i % d == 2 ? 3 : rows[i];
        assertEquals(wanted, set[i], 1e-6);
      }
      float[] u = new float[d];
      float[] centre = normal(new Random(3), 1, d);
      u[1] = 0.6f;
      u[4] = -0.8f;
      Edit direction = new Edit(THREE, new Edit.Direction(u, centre, null), Rule.ablate());
      float[] flat = moment.edited(direction).toFloats();
      double middle = 0.6 * centre[1] - 0.8 * centre[4];
      for (int row = 0; row < 6; row++) {
        assertEquals(middle, 0.6 * flat[row * d + 1] - 0.8 * flat[row * d + 4], 1e-5);
        assertEquals(rows[row * d], flat[row * d], 1e-6, "all else stays");
        double across = 0.8 * rows[row * d + 1] + 0.6 * rows[row * d + 4];
        assertEquals(across, 0.8 * flat[row * d + 1] + 0.6 * flat[row * d + 4], 1e-5);
      }
      Edit method = new Edit(THREE, new Edit.Features(sae, 0, 9), new Rule.Set(1, 2));
      float[] far = method.added(moment).toFloats();
      float[] noise = Edit.noise(method, 5).added(moment).toFloats();
      float[] other = Edit.noise(method, 6).added(moment).toFloats();
      double same = 0;
      for (int row = 0; row < 6; row++) {
        assertEquals(length(far, row, d), length(noise, row, d), 1e-5, "as far");
        for (int j = 0; j < d; j++) {
          // One direction for all tokens.
          double cross =
              noise[row * d + j] / length(noise, row, d) - noise[j] / length(noise, 0, d);
          assertEquals(0, cross, 1e-5);
          same += noise[row * d + j] * other[row * d + j];
        }
      }
      assertTrue(Math.abs(same) > 1e-6 && Math.abs(same) < 30, "another seed, another direction");
    }
  }

  private static double length(float[] rows, int row, int d) {
    double square = 0;
    for (int j = 0; j < d; j++) square += rows[row * d + j] * (double) rows[row * d + j];
    return Math.sqrt(square);
  }

  @Test
  void rankingsAreThePlainLoops() {
    int d = sae.width();
    int n = 60;
    float[] rows = normal(new Random(12), 1, n * 3 * d);
    int[] group = new int[n];
    Random random = new Random(13);
    // Four groups of unequal size; the attribute is in 1 and 3.
    for (int i = 0; i < n; i++) group[i] = Math.max(0, random.nextInt(7) - 3);
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < 3 * d; j++) if (group[i] % 2 == 1) rows[i * 3 * d + j] += 0.4f * (j % 3);
    }
    Groups groups =
        new Groups(
            List.of("a", "b", "c", "d"),
            new int[] {0, 0, 1, 1},
            new boolean[] {false, true, false, true});
    GroupStatistics seen = new GroupStatistics(sae, 4, new ImageActivations(1), true);
    double[][] mean = new double[n][FEATURES];
    double[][] square = new double[n][FEATURES];
    float[] token = new float[0];
    try (Scope scope = Scope.open()) {
      for (int from = 0; from < n; from += 20) {
        float[] part = java.util.Arrays.copyOfRange(rows, from * 3 * d, (from + 20) * 3 * d);
        seen.add(moment(part, d), java.util.Arrays.copyOfRange(group, from, from + 20));
      }
      float[] dense = sae.encode(Tensor.of(rows, n * 3L, d)).code().dense(FEATURES).toFloats();
      token = dense;
      for (int i = 0; i < n * 3; i++) {
        for (int f = 0; f < FEATURES; f++) {
          double a = dense[i * FEATURES + f];
          mean[i / 3][f] += a / 3;
          square[i / 3][f] += a * a / 3;
        }
      }
    }
    double[] difference = seen.featureDifference(groups);
    double[] auroc = seen.auroc(groups);
    double[] energy = seen.featureEnergy(groups);
    float[] decoder = sae.decoder().toFloats();
    for (int f = 0; f < FEATURES; f++) {
      double wanted = 0;
      double area = 0;
      double most = 0;
      for (int s = 0; s < 2; s++) {
        wanted += (groupMean(mean, group, 2 * s + 1, f) - groupMean(mean, group, 2 * s, f)) / 2;
        area += pairs(mean, group, 2 * s, f) / 2;
        double without = groupMean(square, group, 2 * s, f);
        most += (groupMean(square, group, 2 * s + 1, f) - 3 * without) / 2;
      }
      assertEquals(most * Math.pow(length(decoder, f, d), 2), energy[f], 1e-5);
      assertEquals(wanted, difference[f], 1e-6);
      assertEquals(area, auroc[f], 1e-9);
    }
    int[] order = Ranking.best(difference, 0, FEATURES);
    assertTrue(order.length > 3);
    for (int i = 1; i < order.length; i++) {
      assertTrue(difference[order[i - 1]] >= difference[order[i]] && difference[order[i]] > 0);
    }
    float[] largest =
        seen.values(new int[] {order[0]}, groups, SuppressionSettings.Change.parse("scale:-2"));
    float[] means =
        seen.values(new int[] {order[0]}, groups, SuppressionSettings.Change.parse("mean"));
    double sum = 0;
    for (double[] image : mean) sum += image[order[0]];
    assertEquals(sum / n, means[0], 1e-5);
    assertTrue(largest[0] < -2 * means[0], "twice the largest, below 0");
    double without = 0;
    for (int i = 0; i < n * 3; i++) {
      if (group[i / 3] % 2 == 1) continue;
      without = Math.max(without, token[i * FEATURES + order[0]]);
    }
    float[] caps =
        seen.values(new int[] {order[0]}, groups, SuppressionSettings.Change.parse("cap:0.25"));
    assertEquals(0.25 * without, caps[0], 1e-5);
    assertTrue(without * 2 < -largest[0], "less than with the attribute");
  }

  /**
   * After LEACE with the statistics of tokens, their groups have equal means within each target.
   */
  @Test
  void leastSquaresErasesWhatTheStatisticsShow() {
    int d = sae.width();
    int n = 40;
    float[] rows = normal(new Random(21), 1, n * 3 * d);
    int[] group = new int[n];
    for (int i = 0; i < n; i++) {
      group[i] = i % 7 % 4;
      for (int j = 0; j < 3 * d; j++) if (group[i] % 2 == 1) rows[i * 3 * d + j] += 0.4f * (j % 3);
    }
    Groups groups =
        new Groups(
            List.of("a", "b", "c", "d"),
            new int[] {0, 0, 1, 1},
            new boolean[] {false, true, false, true});
    GroupStatistics seen = new GroupStatistics(sae, 4, null, true);
    try (Scope scope = Scope.open()) {
      seen.add(moment(rows, d), group);
      LinearErasure erasure = seen.erasure(groups);
      double mean = 0;
      for (int i = 0; i < n * 3; i++) mean += rows[i * d] / (n * 3.0);
      double covariance = 0;
      for (int i = 0; i < n * 3; i++) {
        covariance += (rows[i * d] - mean) * rows[i * d + 1] / (n * 3.0);
      }
      assertEquals(covariance, erasure.covariance()[1], 1e-6);
      Edit.Direction direction = Objects.requireNonNull(erasure.leastSquares());
      float[] erased = moment(rows, d).edited(new Edit(THREE, direction, Rule.ablate())).toFloats();
      GroupStatistics after = new GroupStatistics(sae, 4, null, true);
      after.add(moment(erased, d), group);
      for (double left : after.residualDifference(groups)) assertEquals(0, left, 1e-5);
    }
  }

  /** Where features are orthogonal, it is exactly what ablation does to images and their twins. */
  @Test
  void energyIsTheWayTowardsTheTwin() {
    int d = 6;
    float[] eye = new float[d * d];
    for (int j = 0; j < d; j++) eye[j * d + j] = 1;
    float[] without = new float[4 * 3 * d];
    Random random = new Random(3);
    for (int i = 0; i < without.length; i++) {
      if (i % d > 1) without[i] = Math.max(0, (float) random.nextGaussian());
    }
    float[] with = without.clone();
    for (int i = 0; i < with.length; i++) if (i % d < 2) with[i] = random.nextInt(3);
    Groups groups = new Groups(List.of("-", "+"), new int[2], new boolean[] {false, true});
    try (Scope scope = Scope.open()) {
      Tensor zero = Tensor.of(new float[d], d);
      Tensor same = Tensor.of(eye, d, d);
      Sae plain =
          new Sae(
              new SaeActivation.Relu(),
              new InputNormalisation.None(),
              same,
              zero,
              same,
              zero,
              true);
      GroupStatistics seen = new GroupStatistics(plain, 2, null, false);
      for (int g = 0; g < 2; g++) {
        Tensor rows = Tensor.of(g == 0 ? without : with, 4, 3, d);
        seen.add(new EncodedTokens(rows, THREE, List.of(plain)), new int[] {g, g, g, g});
      }
      double[] energy = seen.featureEnergy(groups);
      for (int f = 0; f < d; f++) {
        double nearer = 0;
        for (int i = f; i < with.length; i += d) {
          double apart = with[i] - without[i];
          nearer += apart * apart - without[i] * without[i]; // Ablated, with[i] is 0 …
          nearer -= without[i] * without[i]; // … and so is without[i], which was where it belongs.
        }
        assertEquals(nearer / 12, energy[f], 1e-6, "feature " + f);
        assertEquals(f < 2, energy[f] > 0);
      }
    }
  }

  private static double groupMean(double[][] mean, int[] group, int g, int f) {
    double sum = 0;
    int n = 0;
    for (int i = 0; i < group.length; i++) {
      if (group[i] != g) continue;
      sum += mean[i][f];
      n++;
    }
    return sum / n;
  }

  /** Share of pairs (with, without) in which the one with is larger, ties half. */
  private static double pairs(double[][] mean, int[] group, int without, int f) {
    double won = 0;
    int n = 0;
    for (int i = 0; i < group.length; i++) {
      for (int k = 0; k < group.length; k++) {
        if (group[i] != without + 1 || group[k] != without) continue;
        int order = Float.compare((float) mean[i][f], (float) mean[k][f]);
        won += order > 0 ? 1 : order == 0 ? 0.5 : 0;
        n++;
      }
    }
    return won / n;
  }
}
