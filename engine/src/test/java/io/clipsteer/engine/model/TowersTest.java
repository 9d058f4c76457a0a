// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.OneThread;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.checkpoint.GoldenTest;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Taps, edits, pauses: every hook point of every family's towers, against the plain pass. */
@ExtendWith(OneThread.class)
final class TowersTest {
  private static final Path MODELS = Path.of("src/test/resources/models");

  static Stream<String> models() throws IOException {
    return GoldenTest.models();
  }

  private static ClipModel load(String name, DType dtype) {
    Path folder = MODELS.resolve(name);
    return ClipModel.load(GoldenTest.checkpoint(folder), dtype, Device.CPU);
  }

  private static ClipModel load(String name) {
    return load(name, DType.F32);
  }

  /** Either tower as one shape: what a pass needs is inside. */
  private record Pass(
      Function<Hooks, TowerOutput> whole,
      BiFunction<HookPoint, Hooks, Paused> until,
      BiFunction<Paused, Hooks, TowerOutput> rest,
      List<HookPoint> points) {
    TowerOutput run(Hooks hooks) {
      return whole.apply(hooks);
    }

    Paused runUntil(HookPoint stop, Hooks hooks) {
      return until.apply(stop, hooks);
    }

    TowerOutput continueFrom(Paused from, Hooks hooks) {
      return rest.apply(from, hooks);
    }
  }

  private static List<HookPoint> points(TowerKind tower, int layers) {
    List<HookPoint> points = new ArrayList<>();
    for (int layer = 0; layer < layers; layer++) {
      points.add(new HookPoint(tower, layer, Site.MLP_OUT));
      points.add(new HookPoint(tower, layer, Site.RESID_POST));
    }
    return points;
  }

  private static Pass vision(ClipModel model, Tensor pixels) {
    VisionTower tower = model.vision();
    return new Pass(
        hooks -> tower.run(pixels, hooks),
        (stop, hooks) -> tower.runUntil(pixels, stop, hooks),
        tower::continueFrom,
        points(TowerKind.VISION, tower.config().layers()));
  }

  private static Pass text(TextTower tower) {
    long[][] ids = new long[2][tower.config().context()];
    Random random = new Random(3);
    for (long[] row : ids) {
      for (int i = 0; i < row.length; i++) row[i] = random.nextInt(tower.config().vocabulary() - 2);
    }
    ids[0][5] = tower.config().vocabulary() - 1;
    ids[1][9] = tower.config().vocabulary() - 1;
    return new Pass(
        hooks -> tower.run(ids, hooks),
        (stop, hooks) -> tower.runUntil(ids, stop, hooks),
        (from, hooks) -> tower.continueFrom(from, ids, hooks),
        points(TowerKind.TEXT, tower.config().layers()));
  }

  private static Tensor pixels(ClipModel model, int b) {
    int side = model.vision().config().imageSize();
    float[] values = new float[b * 3 * side * side];
    Random random = new Random(7);
    for (int i = 0; i < values.length; i++) values[i] = (float) random.nextGaussian();
    return Tensor.of(values, b, 3, side, side);
  }

  private static List<Pass> passes(ClipModel model) {
    List<Pass> passes = new ArrayList<>();
    passes.add(vision(model, pixels(model, 2)));
    TextTower text = model.text();
    if (text != null) passes.add(text(text));
    return passes;
  }

  /** A tap at every point that copies what it sees. */
  private static Hooks tapAll(Pass pass, Hooks before, Map<HookPoint, float[]> seen) {
    Hooks hooks = before;
    for (HookPoint point : pass.points())
      hooks = hooks.tap(point, v -> seen.put(point, v.toFloats()));
    return hooks;
  }

  private static Tensor plusOne(HookPoint where, Tensor value) {
    return value.copy().addInPlace(0.5);
  }

  private static float[] at(Map<HookPoint, float[]> seen, HookPoint point) {
    return Objects.requireNonNull(seen.get(point));
  }

  private static boolean differ(float[] a, float[] b) {
    for (int i = 0; i < a.length; i++) if (Math.abs(a[i] - b[i]) > 1e-4) return true;
    return false;
  }

  @ParameterizedTest
  @MethodSource("models")
  void pausedAndContinuedEqualsOnePass(String name) {
    try (ClipModel model = load(name);
        Scope scope = Scope.open()) {
      for (Pass pass : passes(model)) {
        Map<HookPoint, float[]> taps = new LinkedHashMap<>();
        float[] whole = pass.run(tapAll(pass, Hooks.NONE, taps)).embedding().toFloats();
        assertEquals(pass.points().size(), taps.size());
        for (HookPoint point : pass.points()) {
          Paused paused = pass.runUntil(point, Hooks.NONE);
          assertEquals(point, paused.at());
          assertEquals(point.site() == Site.MLP_OUT, paused.middle() != null);
          float[] value = paused.value().toFloats();
          assertArrayEquals(taps.get(point), value, 1e-6f, point + " of " + name);
          for (int again = 0; again < 2; again++) {
            float[] rest = pass.continueFrom(paused, Hooks.NONE).embedding().toFloats();
            assertArrayEquals(whole, rest, 1e-6f, point + " of " + name);
          }
          assertArrayEquals(value, paused.value().toFloats(), "continuing changed the pause");
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void anEditChangesWhatComesAfterAndNothingBefore(String name) {
    try (ClipModel model = load(name);
        Scope scope = Scope.open()) {
      for (Pass pass : passes(model)) {
        Map<HookPoint, float[]> plain = new LinkedHashMap<>();
        float[] whole = pass.run(tapAll(pass, Hooks.NONE, plain)).pooled().toFloats();
        for (HookPoint point : pass.points()) {
          // An edit that leaves the mean of a token alone would vanish in a norm: change one half.
          ResidualEdit edit =
              (where, value) -> {
                Tensor copy = value.copy();
                copy.narrow(2, 0, value.size(2) / 2).addInPlace(0.5);
                return copy;
              };
          Map<HookPoint, float[]> edited = new LinkedHashMap<>();
          Hooks hooks = tapAll(pass, Hooks.NONE.edit(point, edit), edited);
          float[] after = pass.run(hooks).pooled().toFloats();
          boolean reached = false;
          for (HookPoint other : pass.points()) {
            if (other.equals(point)) reached = true;
            if (!reached) {
              assertArrayEquals(plain.get(other), edited.get(other), point + " reached " + other);
            } else {
              assertTrue(differ(at(plain, other), at(edited, other)), point + " missed " + other);
            }
          }
          assertTrue(differ(whole, after), point + " changed nothing in the end");
          // The same edit on a paused tower gives the same end.
          Paused paused = pass.runUntil(point, Hooks.NONE);
          Paused changed = paused.with(edit.edit(point, paused.value()));
          float[] resumed = pass.continueFrom(changed, Hooks.NONE).pooled().toFloats();
          assertArrayEquals(after, resumed, 1e-6f, point + " of " + name);
          // And so does an edit on the way to the stop, which includes the stop itself.
          Paused onTheWay = pass.runUntil(point, Hooks.NONE.edit(point, edit));
          assertArrayEquals(edited.get(point), onTheWay.value().toFloats(), 1e-6f);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void anIdentityEditChangesNothing(String name) {
    try (ClipModel model = load(name);
        Scope scope = Scope.open()) {
      for (Pass pass : passes(model)) {
        Map<HookPoint, float[]> plain = new LinkedHashMap<>();
        float[] whole = pass.run(tapAll(pass, Hooks.NONE, plain)).embedding().toFloats();
        Hooks copies = Hooks.NONE;
        for (HookPoint point : pass.points())
          copies = copies.edit(point, (at, value) -> value.copy());
        Map<HookPoint, float[]> seen = new LinkedHashMap<>();
        float[] again = pass.run(tapAll(pass, copies, seen)).embedding().toFloats();
        assertArrayEquals(whole, again, name);
        plain.forEach((point, value) -> assertArrayEquals(value, seen.get(point), point::toString));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void theShortcutOfTheLastBlockEqualsTheWholeBlock(String name) {
    try (ClipModel model = load(name);
        Scope scope = Scope.open()) {
      int last = model.vision().config().layers() - 1;
      Tensor pixels = pixels(model, 3);
      TowerOutput few = model.vision().run(pixels, Hooks.NONE);
      long[] tokens = new long[1];
      Hooks tap = Hooks.NONE.tap(HookPoint.residPost(last), v -> tokens[0] = v.size(1));
      TowerOutput all = model.vision().run(pixels, tap);
      assertEquals(model.vision().config().tokens(), tokens[0], "the tap saw all tokens");
      assertArrayEquals(all.pooled().toFloats(), few.pooled().toFloats(), 2e-6f, name);
      assertArrayEquals(all.embedding().toFloats(), few.embedding().toFloats(), 1e-6f, name);
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void aBatchEqualsItsImages(String name) {
    try (ClipModel model = load(name);
        Scope scope = Scope.open()) {
      Tensor pixels = pixels(model, 5);
      float[] batch = model.vision().run(pixels, Hooks.NONE).embedding().toFloats();
      int e = model.vision().config().embedDim();
      assertEquals(5 * e, batch.length);
      for (int i = 0; i < 5; i++) {
        Tensor one = pixels.narrow(0, i, 1);
        float[] single = model.vision().run(one, Hooks.NONE).embedding().toFloats();
        for (int j = 0; j < e; j++) assertEquals(single[j], batch[i * e + j], 1e-5f, name);
        double square = 0;
        for (float v : single) square += (double) v * v;
        assertEquals(1, square, 1e-5, "unit length");
      }
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void bf16TakesTheSamePathAndStaysClose(String name) {
    try (ClipModel exact = load(name);
        ClipModel model = load(name, DType.BF16);
        Scope scope = Scope.open()) {
      assertEquals(DType.BF16, model.vision().dtype());
      Tensor pixels = pixels(model, 2);
      List<DType> seen = new ArrayList<>();
      Hooks hooks =
          Hooks.NONE
              .tap(HookPoint.mlpOut(0), v -> seen.add(v.dtype()))
              .tap(HookPoint.residPost(0), v -> seen.add(v.dtype()));
      float[] half = model.vision().run(pixels, hooks).embedding().toFloats();
      assertEquals(List.of(DType.BF16, DType.BF16), seen);
      float[] full = exact.vision().run(pixels, Hooks.NONE).embedding().toFloats();
      int e = exact.vision().config().embedDim();
      for (int row = 0; row < 2; row++) {
        double cosine = 0;
        for (int j = 0; j < e; j++) cosine += (double) half[row * e + j] * full[row * e + j];
        assertTrue(cosine > 0.998, name + " cosine " + cosine);
      }
      for (HookPoint point : points(TowerKind.VISION, model.vision().config().layers())) {
        Paused paused = model.vision().runUntil(pixels, point, Hooks.NONE);
        assertEquals(DType.BF16, paused.value().dtype());
        float[] rest = model.vision().continueFrom(paused, Hooks.NONE).embedding().toFloats();
        assertArrayEquals(half, rest, 2e-2f, point + " of " + name);
      }
    }
  }

  @Test
  void hooksRunInTheOrderTheyWereAdded() {
    try (ClipModel model = load("hf-clip-quickgelu");
        Scope scope = Scope.open()) {
      HookPoint point = HookPoint.residPost(1);
      List<float[]> seen = new ArrayList<>();
      Hooks hooks =
          Hooks.NONE
              .tap(point, v -> seen.add(v.toFloats()))
              .edit(point, TowersTest::plusOne)
              .tap(point, v -> seen.add(v.toFloats()));
      model.vision().run(pixels(model, 1), hooks);
      assertEquals(2, seen.size());
      for (int i = 0; i < seen.get(0).length; i++) {
        assertEquals(seen.get(0)[i] + 0.5f, seen.get(1)[i], 1e-6f);
      }
    }
  }

  @Test
  void unknownHookPointsAreRefused() {
    try (ClipModel model = load("hf-clip-quickgelu");
        Scope scope = Scope.open()) {
      Tensor pixels = pixels(model, 1);
      TextTower text = model.text();
      assertNotNull(text);
      long[][] ids = new long[1][4];
      for (int layer : new int[] {-1, 3, 99}) {
        for (Site site : Site.values()) {
          HookPoint point = new HookPoint(TowerKind.VISION, layer, site);
          Hooks hooks = Hooks.NONE.tap(point, v -> {});
          refused(point, () -> model.vision().run(pixels, hooks));
          refused(point, () -> model.vision().runUntil(pixels, point, Hooks.NONE));
          refused(point, () -> model.vision().runUntil(pixels, HookPoint.residPost(0), hooks));
          Paused paused = model.vision().runUntil(pixels, HookPoint.residPost(0), Hooks.NONE);
          refused(point, () -> model.vision().continueFrom(paused, hooks));
        }
      }
      // The other tower's points are unknown, too.
      HookPoint foreign = new HookPoint(TowerKind.TEXT, 0, Site.RESID_POST);
      refused(foreign, () -> model.vision().run(pixels, Hooks.NONE.tap(foreign, v -> {})));
      HookPoint image = HookPoint.residPost(0);
      refused(image, () -> text.run(ids, Hooks.NONE.tap(image, v -> {})));
      refused(image, () -> text.runUntil(ids, image, Hooks.NONE));
    }
  }

  private static void refused(HookPoint point, Runnable body) {
    InputException e = assertThrows(InputException.class, body::run);
    assertTrue(String.valueOf(e.getMessage()).contains(point.peerName()), e::getMessage);
  }

  @Test
  void wrongInputsAreRefused() {
    try (ClipModel model = load("hf-clip-quickgelu");
        Scope scope = Scope.open()) {
      for (long[] size : new long[][] {{32, 40}, {40, 32}, {31, 32}, {64, 64}, {1, 1}}) {
        Tensor pixels = Tensor.zeros(DType.F32, 1, 3, size[0], size[1]);
        InputException e =
            assertThrows(InputException.class, () -> model.vision().run(pixels, Hooks.NONE));
        assertTrue(String.valueOf(e.getMessage()).contains("32×32"), e::getMessage);
      }
      Tensor grey = Tensor.zeros(DType.F32, 1, 1, 32, 32);
      assertThrows(IllegalArgumentException.class, () -> model.vision().run(grey, Hooks.NONE));
      TextTower text = model.text();
      assertNotNull(text);
      for (long[][] ids : new long[][][] {{}, {{}}, {new long[78]}, {{640}}, {{-1}}}) {
        assertThrows(InputException.class, () -> text.run(ids, Hooks.NONE));
      }
      assertThrows(
          IllegalArgumentException.class, () -> text.run(new long[][] {{1, 2}, {1}}, Hooks.NONE));
    }
  }

  @Test
  void anEditThatReturnsAnotherShapeIsNamed() {
    try (ClipModel model = load("hf-clip-quickgelu");
        Scope scope = Scope.open()) {
      Tensor pixels = pixels(model, 1);
      for (HookPoint point : points(TowerKind.VISION, 3)) {
        for (ResidualEdit edit :
            List.<ResidualEdit>of(
                (at, v) -> v.narrow(1, 0, 1),
                (at, v) -> v.reshape(-1),
                (at, v) -> v.to(DType.BF16))) {
          Hooks hooks = Hooks.NONE.edit(point, edit);
          Exception e =
              assertThrows(IllegalArgumentException.class, () -> model.vision().run(pixels, hooks));
          assertTrue(String.valueOf(e.getMessage()).contains(point.peerName()), e::getMessage);
          assertTrue(String.valueOf(e.getMessage()).contains("[1, 17, 24]"), e::getMessage);
        }
      }
    }
  }

  @Test
  void towersNeedAScope() {
    try (ClipModel model = load("hf-clip-quickgelu")) {
      TextTower text = model.text();
      assertNotNull(text);
      long[][] ids = new long[1][4];
      HookPoint point = HookPoint.residPost(0);
      try (Tensor pixels = Tensor.zeros(DType.F32, 1, 3, 32, 32)) {
        assertThrows(IllegalStateException.class, () -> model.vision().run(pixels, Hooks.NONE));
        assertThrows(
            IllegalStateException.class, () -> model.vision().runUntil(pixels, point, Hooks.NONE));
      }
      assertThrows(IllegalStateException.class, () -> text.run(ids, Hooks.NONE));
    }
  }

  @Test
  void hookPointsHavePeersNames() {
    for (TowerKind tower : TowerKind.values()) {
      for (HookPoint point : points(tower, 12)) {
        assertEquals(point, HookPoint.parse(point.peerName()));
      }
    }
    assertEquals("blocks.7.hook_resid_post", HookPoint.residPost(7).peerName());
    for (String bad :
        List.of(
            "",
            "blocks.x.hook_mlp_out",
            "blocks.1.hook_z",
            "blocks.-1.hook_mlp_out",
            "blocks.99999.hook_mlp_out",
            "blocks.1.hook_mlp_out ")) {
      assertThrows(InputException.class, () -> HookPoint.parse(bad), bad);
    }
  }
}
