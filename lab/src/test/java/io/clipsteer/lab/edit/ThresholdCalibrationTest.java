// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.edit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.lab.run.Images;
import io.clipsteer.world.WorldSet;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Against plain loops over every token of every image. */
final class ThresholdCalibrationTest {
  private static final Path CLIP = Path.of("../engine/src/test/resources/models/hf-clip-quickgelu");
  private static final HookPoint POINT = HookPoint.residPost(0);
  private static final int FEATURES = 64;
  private static final int[] IDS = {3, 20, 41};

  @TempDir private Path temp;

  private static Sae sae(int k, int width) {
    SplittableRandom random = new SplittableRandom(5);
    try (Scope scope = Scope.open()) {
      return new Sae(
          new SaeActivation.TopK(k),
          new InputNormalisation.LayerNorm(),
          scope.release(Tensor.normal(random, 0.3, width, FEATURES)),
          scope.release(Tensor.normal(random, 0.3, FEATURES)),
          scope.release(Tensor.normal(random, 0.3, FEATURES, width)),
          scope.release(Tensor.normal(random, 0.3, width)),
          true);
    }
  }

  private Images images(ClipModel model) {
    Path folder = temp.resolve("images");
    WorldSet.MIXED.write(folder, WorldSet.Split.TEST, 12, 5, 32, Progress.SILENT);
    var options = ImageLoader.Options.of(5);
    return new Images(ImageSet.open(folder), model.preprocessing(), options);
  }

  /** Activations and pre-activations [images][tokens·features], token by token. */
  private static List<float[][]> values(ClipModel model, Sae sae, Images images) {
    List<float[][]> all = new ArrayList<>();
    images.forEach(
        (batch, pixels) -> {
          Tensor residual = model.vision().runUntil(pixels, POINT, Hooks.NONE).value();
          for (int i = 0; i < batch.count(); i++) {
            Sae.Encoded code = sae.encode(residual.select(0, i).contiguous());
            Tensor z = code.input().z().sub(sae.decoderBias());
            Tensor pre = z.matmul(sae.encoder()).addInPlace(sae.encoderBias());
            float[] dense = code.code().dense(FEATURES).toFloats();
            all.add(new float[][] {dense, pre.toFloats()});
          }
        });
    return all;
  }

  private static double cost(List<float[][]> values, int start, int id, double threshold) {
    double cost = 0;
    for (int image = start; image < values.size(); image += 2) {
      float[][] one = values.get(image);
      for (int at = id; at < one[0].length; at += FEATURES) {
        double other = one[1][at] > threshold ? one[1][at] : 0;
        cost += Math.abs(one[0][at] - other);
      }
    }
    return cost;
  }

  @Test
  void noThresholdIsBetterOnTheImagesThatMadeIt() {
    try (ClipModel model = ClipModel.load(CLIP);
        Sae sae = sae(9, model.vision().config().width());
        Scope scope = Scope.open()) {
      Images images = images(model);
      List<float[][]> values = values(model, sae, images);
      var fitted = ThresholdCalibration.of(model, edit(sae), images, Progress.SILENT);
      float[] thresholds = fitted.compiled().rows().thresholds().toFloats();
      fitted.compiled().close();
      double sum = 0;
      double error = 0;
      long differ = 0;
      long tokens = 0;
      for (int j = 0; j < IDS.length; j++) {
        int id = IDS[j];
        double own = cost(values, 0, id, thresholds[j]);
        assertTrue(own <= cost(values, 0, id, Double.MAX_VALUE) + 1e-4);
        for (float[][] one : values) {
          for (int at = id; at < one[1].length; at += FEATURES) {
            assertTrue(own <= cost(values, 0, id, Math.max(0, one[1][at])) + 1e-4, "feature " + id);
          }
        }
        error += cost(values, 1, id, thresholds[j]);
        for (int image = 1; image < values.size(); image += 2) {
          float[][] one = values.get(image);
          for (int at = id; at < one[0].length; at += FEATURES) {
            tokens++;
            sum += one[0][at];
            if (one[0][at] > 0 != one[1][at] > thresholds[j]) differ++;
          }
        }
      }
      assertEquals(6, fitted.images());
      assertTrue(differ > 0, "some differ");
      assertEquals((double) differ / tokens, fitted.disagree(), 1e-9);
      assertEquals(error / sum, fitted.activationError(), 1e-4);
      assertTrue(fitted.differs() > 0 && fitted.differs() <= fitted.differsMost());
      assertTrue(fitted.differs() < fitted.edited(), "less than the edit itself");
    }
  }

  @Test
  void withoutCompetitionNothingDiffers() {
    try (ClipModel model = ClipModel.load(CLIP);
        Sae sae = sae(FEATURES, model.vision().config().width())) {
      var fitted = ThresholdCalibration.of(model, edit(sae), images(model), Progress.SILENT);
      fitted.compiled().close();
      assertEquals(0, fitted.disagree());
      assertTrue(fitted.differsMost() < 1e-6, "by " + fitted.differsMost());
      assertTrue(fitted.edited() > 1e-4, "it moves by " + fitted.edited());
    }
  }

  private static Edit edit(Sae sae) {
    return new Edit(
        EditSite.of(POINT, TokenSelection.ALL, 1), new Edit.Features(sae, IDS), new Rule.Scale(4));
  }
}
