// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import static io.clipsteer.engine.edit.Rule.RuleKind.ADD;
import static io.clipsteer.engine.edit.Rule.RuleKind.CAP;
import static io.clipsteer.engine.edit.Rule.RuleKind.SCALE;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.model.TokenMask;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.DemoModel;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.run.Images;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Edits of units against the one edit and plain arithmetic; many images against one by one. */
final class SteerTest {
  private static final HookPoint FIVE = HookPoint.residPost(5);
  private static final HookPoint SIX = HookPoint.residPost(6);
  private static final int IMAGES = 6;

  @TempDir private static Path temp;

  private static ClipModel model;
  private static Images source;
  private static TextLibrary library;
  private static Sae sae;
  private static Sae other;
  private static int width;

  @BeforeAll
  static void load() {
    model = DemoModel.load(temp);
    source = DemoModel.images(model, temp, IMAGES, 4);
    library = Fixture.library(30, model.vision().config().embedDim(), 3);
    width = model.vision().config().width();
    sae = Fixture.sae(width, 40, 4);
    other = Fixture.sae(width, 40, 9);
  }

  @AfterAll
  static void unload() {
    sae.close();
    other.close();
    model.close();
  }

  private static SteeredSite site(
      List<Integer> features, List<Integer> neurons, List<Integer> randoms, String at) {
    UnitNumbers units = new UnitNumbers(features, neurons, randoms);
    return new SteeredSite(at(FIVE, at), sae, units, false, false, Fixture.numbers(FIVE, sae));
  }

  private static EditSite at(HookPoint point, String tokens) {
    return new EditSite(point, new TokenMask(tokens), 1);
  }

  private static float[] edited(SteeredSite site, UnitRule rule) {
    return site.edit(rule).edit(FIVE, residual()).toFloats();
  }

  private static UnitRule rule(Rule.RuleKind kind, double number) {
    return new UnitRule(kind, Strength.of(number));
  }

  private static UnitRule set(double number) {
    return UnitRule.set(Strength.of(number));
  }

  /** The same for the one edit. */
  private static Rule plain(UnitRule rule) {
    return Rule.of(rule.kind(), (float) rule.strength().number());
  }

  private static Tensor residual() {
    Random random = new Random(7);
    float[] values = new float[2 * 5 * width];
    for (int i = 0; i < values.length; i++) values[i] = (float) random.nextGaussian();
    return Tensor.of(values, 2, 5, width);
  }

  @Test
  void featuresAreChangedByTheOneEdit() {
    List<UnitRule> rules = List.of(set(12), rule(SCALE, -2), rule(ADD, 3), set(0), rule(CAP, 1));
    try (Scope scope = Scope.open()) {
      for (UnitRule rule : rules) {
        for (TokenSelection tokens : TokenSelection.values()) {
          EditSite site = EditSite.of(FIVE, tokens, 1);
          Edit expected = new Edit(site, new Edit.Features(sae, 3, 17), plain(rule));
          assertArrayEquals(
              expected.edit(FIVE, residual()).toFloats(),
              edited(site(List.of(3, 17, 3), List.of(), List.of(), tokens.name()), rule),
              rule + " at " + tokens);
        }
      }
    }
  }

  @Test
  void neuronsDirectionsAndListsOfTokens() {
    try (Scope scope = Scope.open()) {
      float[] x = residual().toFloats();
      SteeredSite neuron = site(List.of(), List.of(9), List.of(), "2,4");
      float[] y = edited(neuron, rule(SCALE, 0.5));
      float[] raised = edited(neuron, rule(ADD, 3));
      for (int i = 0; i < x.length; i++) {
        int token = i / width % 5;
        boolean changed = i % width == 9 && (token == 2 || token == 4);
        assertEquals(changed ? 0.5f * x[i] : x[i], y[i], 1e-6f);
        assertEquals(changed ? x[i] + 3 : x[i], raised[i], 1e-6f);
      }
      // Both at once: each moves by what it would alone.
      UnitRule add = rule(ADD, 4);
      float[] feature = edited(site(List.of(3), List.of(), List.of(), "all"), add);
      SteeredSite direction = site(List.of(), List.of(), List.of(2), "all");
      float[] random = edited(direction, add);
      assertArrayEquals(random, edited(direction, set(4)), "its activation is 0");
      float[] both = edited(site(List.of(3), List.of(), List.of(2), "all"), add);
      double moved = 0;
      for (int i = 0; i < x.length; i++) {
        assertEquals(feature[i] + random[i] - x[i], both[i], 1e-5f);
        moved += Math.abs(random[i] - x[i]);
      }
      assertTrue(moved > 1);
    }
  }

  /** A raw offset is not multiplied by σ; a splice leaves the SAE's error out. */
  @Test
  void rawAndSplice() {
    try (Scope scope = Scope.open()) {
      Tensor rows = residual().reshape(10, width).contiguous();
      float[] x = rows.toFloats();
      float[] direction = sae.decoder().toFloats();
      UnitNumbers three = new UnitNumbers(List.of(3), List.of(), List.of());
      SteeredSite raw =
          new SteeredSite(at(FIVE, "all"), sae, three, true, false, Fixture.numbers(FIVE, sae));
      float[] y = edited(raw, rule(ADD, 4));
      for (int i = 0; i < x.length; i++) {
        assertEquals(x[i] + 4 * direction[3 * width + i % width], y[i], 1e-5f);
      }
      SteeredSite splice =
          new SteeredSite(at(FIVE, "all"), sae, three, false, true, Fixture.numbers(FIVE, sae));
      float[] decoded = sae.decode(sae.encode(rows)).toFloats();
      assertArrayEquals(decoded, edited(splice, rule(SCALE, 1)), 1e-5f);
      assertArrayEquals(decoded, splice.edit(null).edit(FIVE, residual()).toFloats(), 1e-5f);
      float[] set = edited(raw, set(4));
      float[] active = sae.encode(rows).code().columns(new int[] {3}).toFloats();
      float[] scale = sae.encode(rows).input().scale().toFloats();
      for (int i = 0; i < x.length; i++) {
        float moved = 4 - active[i / width] * scale[i / width];
        assertEquals(x[i] + moved * direction[3 * width + i % width], set[i], 1e-5f);
      }
    }
  }

  @Test
  void unitsThatAreNotThereAreNamed() {
    assertThrows(InputException.class, () -> site(List.of(40), List.of(), List.of(), "all"));
    assertThrows(InputException.class, () -> site(List.of(), List.of(-1), List.of(), "all"));
  }

  /** Two places, three strengths, all images in uneven batches: as one by one, whole passes. */
  @Test
  void manyImagesAreTheMeanOfEach() {
    SteeredSite first = site(List.of(3), List.of(), List.of(1), "patches");
    UnitNumbers two = new UnitNumbers(List.of(5), List.of(2), List.of());
    SteeredSite second =
        new SteeredSite(at(SIX, "all"), other, two, false, false, Fixture.numbers(SIX, other));
    UnitRule rule = set(40);
    Hooks hooks = Hooks.NONE.edit(FIVE, first.edit(rule)).edit(SIX, second.edit(rule));
    Map<HookPoint, SteeredSite> sites = Map.of(SIX, second, FIVE, first);
    List<Strength> strengths = List.of(Strength.of(0), Strength.of(20), Strength.of(40));
    Steer steer = new Steer(model, ZeroShot.head(model, library), sites, rule, strengths);
    Steer.SteeredAnswers all = steer.all(source, 30, Progress.SILENT);
    assertEquals(IMAGES, all.images());
    double[] after = new double[30];
    double strongest = 0;
    try (Scope scope = Scope.open()) {
      for (int i = 0; i < IMAGES; i++) {
        Tensor pixels = Images.one(model, temp.resolve(String.format("images/%06d.png", i + 1)));
        Tensor embedding = model.vision().run(pixels, hooks).embedding();
        Tensor texts = Tensor.of(library.embeddings(), 30, library.width());
        float[] p =
            embedding
                .matmul(texts.transpose(0, 1))
                .mulInPlace(model.logitScale())
                .softmax()
                .toFloats();
        for (int w = 0; w < 30; w++) after[w] += p[w] / IMAGES;
        strongest += steer.one(pixels, 1).edited().getFirst().mean() / IMAGES;
      }
    }
    assertEquals(30, all.after().size());
    for (Steer.WordProbability answer : all.after()) {
      assertEquals(after[answer.index()], answer.probability(), 1e-5);
      assertTrue(answer.low() <= answer.probability() && answer.probability() <= answer.high());
    }
    assertEquals(FIVE.peerName(), all.edited().getFirst().hookPoint());
    assertEquals(strongest, all.edited().getFirst().mean(), 1e-5);
    // The curve's last point is the edit itself, and what rose is the difference of the two.
    assertEquals(all.after(), all.curve().getLast().top());
    assertEquals(3, all.curve().size());
    Steer.WordProbability rose = all.promoted().getFirst();
    double before =
        all.before().stream()
            .filter(answer -> answer.index() == rose.index())
            .findFirst()
            .orElseThrow()
            .probability();
    assertEquals(after[rose.index()] - before, rose.probability(), 1e-5);
    assertTrue(rose.probability() > 0 && all.suppressed().getFirst().probability() < 0);
  }
}
