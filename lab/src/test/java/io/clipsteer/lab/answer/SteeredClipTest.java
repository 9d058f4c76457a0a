// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.answer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.CompiledEdit;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSidecar;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.lab.demo.DemoClip;
import io.clipsteer.lab.run.Images;
import io.clipsteer.world.WorldSet;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A shipped edit gives what the whole SAE gives. */
final class SteeredClipTest {
  @TempDir private static Path temp;

  private static Path checkpoint;
  private static Path image;

  @BeforeAll
  static void draw() {
    checkpoint = temp.resolve("model");
    DemoClip.unpack(checkpoint);
    WorldSet.MIXED.write(temp.resolve("images"), WorldSet.Split.TEST, 2, 5, 64, Progress.SILENT);
    image = temp.resolve("images/000002.png");
  }

  private static Sae sae(int width, int features, long seed) {
    Random random = new Random(seed);
    try (Scope scope = Scope.open()) {
      Tensor[] parts = new Tensor[4];
      long[][] shapes = {{width, features}, {features}, {features, width}, {width}};
      for (int p = 0; p < parts.length; p++) {
        int n = 1;
        for (long extent : shapes[p]) n *= (int) extent;
        float[] values = new float[n];
        for (int i = 0; i < n; i++) values[i] = (float) (0.1 * random.nextGaussian());
        parts[p] = scope.release(Tensor.of(values, shapes[p]));
      }
      return new Sae(
          new SaeActivation.Relu(),
          new InputNormalisation.LayerNorm(),
          parts[0],
          parts[1],
          parts[2],
          parts[3],
          true);
    }
  }

  private static Edit ablated(Sae sae, int layer, int... ids) {
    EditSite site = EditSite.of(HookPoint.residPost(layer), TokenSelection.ALL, 1);
    return new Edit(site, new Edit.Features(sae, ids), Rule.ablate());
  }

  private static Path sidecar(Sae sae, int layer, int[] ids, String name) {
    Path file = temp.resolve(name + ".safetensors");
    try (CompiledEdit edit = CompiledEdit.of(ablated(sae, layer, ids))) {
      EditSidecar.write(edit, file, Map.of());
    }
    return file;
  }

  @Test
  void twoEditsAreMadeOnEveryPass() {
    try (Sae five = sae(128, 60, 1);
        Sae six = sae(128, 60, 2);
        ClipModel model = ClipModel.load(checkpoint);
        Scope scope = Scope.open();
        SteeredClip clip =
            SteeredClip.load(
                checkpoint,
                List.of(
                    sidecar(five, 5, new int[] {1, 4, 9}, "five"),
                    sidecar(six, 6, new int[] {0, 59}, "six")),
                DType.F32,
                Device.CPU)) {
      Hooks hooks =
          Hooks.NONE
              .edit(HookPoint.residPost(5), ablated(five, 5, 1, 4, 9))
              .edit(HookPoint.residPost(6), ablated(six, 6, 0, 59));
      Tensor pixels = Images.one(model, image);
      float[] expected = model.vision().run(pixels, hooks).embedding().toFloats();
      float[] plain = model.vision().run(pixels, Hooks.NONE).embedding().toFloats();
      assertArrayEquals(expected, clip.embed(image), 1e-5f);
      double moved = 0;
      for (int i = 0; i < plain.length; i++) moved += Math.abs(plain[i] - expected[i]);
      assertTrue(moved > 1e-3, "moved " + moved);
    }
  }

  @Test
  void editsOfOtherModelsAreRefused() {
    try (Sae narrow = sae(64, 30, 1);
        Sae deep = sae(128, 30, 1)) {
      for (Path file :
          List.of(
              sidecar(narrow, 5, new int[] {1}, "narrow"),
              sidecar(deep, 8, new int[] {1}, "deep"),
              checkpoint.resolve("model.safetensors"),
              temp.resolve("none.safetensors"))) {
        assertThrows(
            InputException.class,
            () -> SteeredClip.load(checkpoint, List.of(file), DType.F32, Device.CPU),
            file.toString());
      }
    }
  }
}
