// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.checkpoint.GoldenTest;
import io.clipsteer.engine.edit.CompiledEdit;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.onnx.OnnxGraph;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Written towers in ONNX Runtime against the towers themselves, of every family. */
final class OnnxTowerTest {
  private static final Path MODELS = Path.of("src/test/resources/models");
  private static final int FEATURES = 20;

  @TempDir private Path temp;

  static Stream<String> models() throws IOException {
    return GoldenTest.models();
  }

  @ParameterizedTest
  @MethodSource("models")
  void givesTheTowersEmbeddings(String name) throws OrtException {
    Path folder = MODELS.resolve(name);
    try (ClipModel model = ClipModel.load(GoldenTest.checkpoint(folder), DType.F32, Device.CPU)) {
      VisionTower tower = model.vision();
      int size = tower.config().imageSize();
      Random random = new Random(3);
      float[] pixels = new float[2 * 3 * size * size];
      for (int i = 0; i < pixels.length; i++) pixels[i] = (float) random.nextGaussian();

      float[] plain = run(tower, pixels, Hooks.NONE);
      same(plain, onnx(OnnxTower.of(tower), pixels, size), name);

      // Behind the last block, only the tokens that are pooled matter.
      boolean goesOn = tower.config().layers() > 1;
      boolean norm = true;
      for (Site site : Site.values()) {
        HookPoint point = new HookPoint(TowerKind.VISION, 0, site);
        for (TokenSelection tokens : TokenSelection.values()) {
          if (tokens == TokenSelection.CLS && tower.config().prefixTokens() == 0) continue;
          norm = !norm;
          EditSite at = EditSite.of(point, tokens, tower.config().prefixTokens());
          Rule rule =
              switch (tokens) {
                case ALL -> new Rule.Cap(0, 9, 4);
                case CLS -> new Rule.Add(-3);
                case PATCHES -> new Rule.Set(0, 9, 4);
              };
          try (Sae sae = sae(tower.config().width(), norm, site == Site.MLP_OUT ? 7 : 0);
              CompiledEdit edit =
                  CompiledEdit.of(new Edit(at, new Edit.Features(sae, 2, 5, 11), rule))) {
            float[] edited = run(tower, pixels, Hooks.NONE.edit(point, edit));
            double moved = distance(plain, edited);
            assertTrue(moved > 1e-3 || !goesOn, name + " " + point + " " + tokens + " " + moved);
            OnnxGraph graph =
                OnnxTower.of(
                    tower, point, (g, value) -> edit.addTo(g, value, tower.config().tokens()));
            same(edited, onnx(graph, pixels, size), name + point);
          }
        }
      }
    }
  }

  private static Sae sae(int d, boolean norm, int topK) {
    Random random = new Random(6);
    try (Scope scope = Scope.open()) {
      return new Sae(
          topK > 0 ? new SaeActivation.TopK(topK) : new SaeActivation.Relu(),
          norm ? new InputNormalisation.LayerNorm() : new InputNormalisation.None(),
          scope.release(tensor(random, d, FEATURES)),
          scope.release(tensor(random, FEATURES)),
          scope.release(tensor(random, FEATURES, d)),
          scope.release(tensor(random, d)),
          true);
    }
  }

  private static Tensor tensor(Random random, int... shape) {
    long[] extents = java.util.Arrays.stream(shape).asLongStream().toArray();
    float[] values = new float[java.util.Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
    for (int i = 0; i < values.length; i++) values[i] = (float) (0.3 * random.nextGaussian());
    return Tensor.of(values, extents);
  }

  private static float[] run(VisionTower tower, float[] pixels, Hooks hooks) {
    int size = tower.config().imageSize();
    try (Scope scope = Scope.open()) {
      return tower.run(Tensor.of(pixels, 2, 3, size, size), hooks).embedding().toFloats();
    }
  }

  private float[] onnx(io.clipsteer.engine.onnx.OnnxGraph graph, float[] pixels, int size)
      throws OrtException {
    Path file = temp.resolve("tower.onnx");
    graph.write(file, "test", Map.of("note", "for a test"));
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    try (OrtSession session = environment.createSession(file.toString());
        OnnxTensor input =
            OnnxTensor.createTensor(
                environment, FloatBuffer.wrap(pixels), new long[] {2, 3, size, size});
        OrtSession.Result result = session.run(Map.of("pixel_values", input))) {
      float[][] rows = (float[][]) result.get("image_embeds").orElseThrow().getValue();
      float[] flat = new float[rows.length * rows[0].length];
      for (int i = 0; i < rows.length; i++) {
        System.arraycopy(rows[i], 0, flat, i * rows[0].length, rows[0].length);
      }
      return flat;
    }
  }

  private static double distance(float[] a, float[] b) {
    double most = 0;
    for (int i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
    return most;
  }

  private static void same(float[] expected, float[] got, String what) {
    assertEquals(expected.length, got.length, what);
    assertTrue(distance(expected, got) < 1e-5, what + " differs by " + distance(expected, got));
  }
}
