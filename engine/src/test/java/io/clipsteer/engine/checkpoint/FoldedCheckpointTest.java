// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.edit.CompiledEdit;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TokenSelection;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Edits in weights against edits of a residual, and against weights that are changed by hand. */
final class FoldedCheckpointTest {
  private static final Path MODELS = Path.of("src/test/resources/models");
  private static final FoldedCheckpoint.ModelLibrary HF =
      FoldedCheckpoint.ModelLibrary.TRANSFORMERS;
  private static final FoldedCheckpoint.ModelLibrary OPEN = FoldedCheckpoint.ModelLibrary.OPEN_CLIP;

  @TempDir private Path temp;
  private int written;

  private static Edit edit(ClipModel model, HookPoint point, TokenSelection tokens, Rule rule) {
    int width = model.vision().config().width();
    int prefix = model.vision().config().prefixTokens();
    return new Edit(
        EditSite.of(point, tokens, prefix), new Edit.Neurons(width, 3, width - 1), rule);
  }

  private static Edit along(ClipModel model, HookPoint point, Rule rule) {
    int width = model.vision().config().width();
    SplittableRandom random = new SplittableRandom(4);
    float[] direction = new float[width];
    float[] centre = new float[width];
    for (int j = 0; j < width; j++) {
      direction[j] = (float) random.nextGaussian();
      centre[j] = (float) random.nextGaussian();
    }
    var site = EditSite.of(point, TokenSelection.ALL, model.vision().config().prefixTokens());
    return new Edit(site, new Edit.Direction(direction, centre, null), rule);
  }

  private Path fold(ClipModel model, Edit edit, FoldedCheckpoint.ModelLibrary target) {
    Path out = temp.resolve("folded" + written++);
    try (CompiledEdit compiled = CompiledEdit.of(edit)) {
      FoldedCheckpoint.write(model, compiled, target, out);
    }
    return out;
  }

  private static float[] embeddings(ClipModel model, Hooks hooks) {
    try (Scope scope = Scope.open()) {
      var images = model.preprocessing();
      Tensor pixels =
          Tensor.normal(new SplittableRandom(1), 1, 3, 3, images.height(), images.width());
      return model.vision().run(pixels, hooks).embedding().toFloats();
    }
  }

  @Test
  void foldedWeightsAnswerAsTheEditedTower() {
    for (String name : List.of("hf-clip-quickgelu", "open-clip-native", "open-clip-timm")) {
      try (ClipModel model = ClipModel.load(MODELS.resolve(name))) {
        int last = model.vision().config().layers() - 1;
        TokenSelection all = TokenSelection.ALL;
        List<Edit> edits =
            List.of(
                edit(model, HookPoint.mlpOut(0), all, new Rule.Set(2, -1)),
                edit(model, HookPoint.mlpOut(last), all, new Rule.Scale(-3)),
                edit(
                    model,
                    HookPoint.mlpOut(0),
                    all,
                    new Rule.Times(new Rule.Set(1, 2), 0.5f, 1.5f)),
                along(model, HookPoint.mlpOut(0), new Rule.Set(0)),
                along(model, HookPoint.mlpOut(0), new Rule.Add(0.5)),
                along(model, HookPoint.residPost(0), new Rule.Add(-0.5)),
                edit(model, HookPoint.residPost(last), all, new Rule.Add(3)));
        float[] plain = embeddings(model, Hooks.NONE);
        for (Edit edit : edits) {
          Path folded = fold(model, edit, name.startsWith("hf") ? HF : OPEN);
          float[] wanted = embeddings(model, Hooks.NONE.edit(edit.site().point(), edit));
          assertFalse(close(plain, wanted, 1e-3), name + ": the edit does something");
          try (ClipModel copy = ClipModel.load(folded)) {
            assertArrayEquals(
                wanted, embeddings(copy, Hooks.NONE), 1e-5f, name + " " + edit.described());
          }
        }
      }
    }
  }

  private static boolean close(float[] a, float[] b, double by) {
    for (int i = 0; i < a.length; i++) if (Math.abs(a[i] - b[i]) > by) return false;
    return true;
  }

  /** Of a class-token model the last block's other tokens are read by nothing. */
  @Test
  void theClassTokenOfTheLastBlock() {
    try (ClipModel model = ClipModel.load(MODELS.resolve("hf-clip-quickgelu"))) {
      int last = model.vision().config().layers() - 1;
      Edit edit = edit(model, HookPoint.mlpOut(last), TokenSelection.CLS, new Rule.Set(4));
      try (ClipModel copy = ClipModel.load(fold(model, edit, HF))) {
        float[] wanted = embeddings(model, Hooks.NONE.edit(edit.site().point(), edit));
        assertArrayEquals(wanted, embeddings(copy, Hooks.NONE), 1e-5f);
      }
    }
  }

  /** Setting coordinate i of y = W·h + b to v is row i of W = 0 and b_i = v. */
  @Test
  void twoTensorsChangeAsByHand() {
    try (ClipModel model = ClipModel.load(MODELS.resolve("hf-clip-quickgelu"))) {
      int width = model.vision().config().width();
      Edit edit = edit(model, HookPoint.mlpOut(1), TokenSelection.ALL, new Rule.Set(2, -1));
      Path folded = fold(model, edit, HF);
      String product = "vision_model.encoder.layers.1.mlp.fc2";
      try (TensorFile before = TensorFile.open(model.source().weights());
          TensorFile after = TensorFile.open(folded.resolve("model.safetensors"))) {
        assertEquals(before.tensors().keySet(), after.tensors().keySet());
        for (StoredTensor old : before.tensors().values()) {
          StoredTensor now = after.get(old.name());
          if (!old.name().startsWith(product)) {
            assertEquals(old.dtype(), now.dtype());
            assertArrayEquals(
                old.bytes().toArray(ValueLayout.JAVA_BYTE),
                now.bytes().toArray(ValueLayout.JAVA_BYTE),
                old.name());
            continue;
          }
          float[] wanted = old.toFloats();
          int row = wanted.length / width;
          boolean bias = old.name().endsWith("bias");
          Arrays.fill(wanted, 3 * row, 4 * row, bias ? 2 : 0);
          Arrays.fill(wanted, (width - 1) * row, width * row, bias ? -1 : 0);
          assertEquals(DType.F32, now.dtype());
          assertArrayEquals(wanted, now.toFloats(), 1e-6f, old.name());
        }
      }
    }
  }

  @Test
  void whatIsNotExactIsRefused() {
    try (ClipModel model = ClipModel.load(MODELS.resolve("hf-clip-quickgelu"))) {
      TokenSelection all = TokenSelection.ALL;
      HookPoint mlp = HookPoint.mlpOut(0);
      refused(model, edit(model, mlp, all, new Rule.Cap(1)), HF, "a cap changes only");
      refused(model, edit(model, HookPoint.residPost(0), all, new Rule.Set(0)), HF, "passes");
      refused(model, edit(model, mlp, TokenSelection.CLS, new Rule.Set(0)), HF, "cls tokens");
      refused(model, edit(model, mlp, all, new Rule.Set(0)), OPEN, "not converted");
    }
  }

  private void refused(
      ClipModel model, Edit edit, FoldedCheckpoint.ModelLibrary target, String why) {
    Path out = temp.resolve("refused");
    try (CompiledEdit compiled = CompiledEdit.of(edit)) {
      var error =
          assertThrows(
              InputException.class, () -> FoldedCheckpoint.write(model, compiled, target, out));
      String message = String.valueOf(error.getMessage());
      assertTrue(message.contains(why), message);
      assertFalse(Files.exists(out));
    }
  }
}
