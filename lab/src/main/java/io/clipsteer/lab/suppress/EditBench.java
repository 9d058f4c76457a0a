// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.stats.Median;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.CompiledEdit;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.pretrain.AdamW;
import io.clipsteer.engine.pretrain.ClipPretrainer;
import io.clipsteer.engine.pretrain.ClipShape;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;

/**
 * Times an edit in a tower of ViT-B/32's shape with random weights: compiled to its features' rows,
 * and through the whole SAE. The three passes alternate, so that a busy machine slows all alike.
 */
public final class EditBench {
  private static final ClipShape VIT_B_32 =
      new ClipShape(224, 32, 768, 12, 12, 64, 1, 1, 8, 64, 512);

  private static final int LAYER = 9;
  private static final float BIAS = -2;

  /**
   * Sizes.
   *
   * @param features of the SAE
   * @param chosen features that are ablated
   * @param images of a pass
   * @param rounds timed passes of each
   */
  public record EditBenchShape(int features, int chosen, int images, int rounds) {}

  /**
   * The measurements.
   *
   * @param towerSeconds median of a pass without an edit
   * @param editedSeconds median with the compiled edit
   * @param fullSeconds median with the whole SAE
   * @param added median over rounds of the edited pass divided by the unedited of the same round,
   *     less 1; with its 95 % interval
   * @param least the smallest of these rounds
   * @param most the largest
   * @param maxDifference largest difference of an embedding's coordinate between the two edits
   * @param moved largest difference between edited and unedited embeddings, for comparison
   */
  public record EditBenchResult(
      EditBenchShape shape,
      double towerSeconds,
      double editedSeconds,
      double fullSeconds,
      Median added,
      double least,
      double most,
      double maxDifference,
      double moved) {}

  private EditBench() {}

  /** Measures. */
  public static EditBenchResult run(EditBenchShape shape, long seed, Progress progress) {
    Path folder = null;
    try {
      folder = Files.createTempDirectory("clipsteer-bench-");
      try (var made = new ClipPretrainer(VIT_B_32, AdamW.CLIP, DType.F32, seed)) {
        made.export(folder, DType.F32);
      }
      try (ClipModel model = ClipModel.load(folder, DType.F32, Device.CPU);
          Sae sae = sae(model.vision().config().width(), shape.features(), seed)) {
        return measure(model, sae, shape, seed, progress);
      }
    } catch (IOException e) {
      throw new InputException("the bench", "needs a temporary folder", "Free some disk", e);
    } finally {
      if (folder != null) delete(folder);
    }
  }

  private static EditBenchResult measure(
      ClipModel model, Sae sae, EditBenchShape shape, long seed, Progress progress) {
    HookPoint point = HookPoint.residPost(LAYER);
    int[] ids = new int[shape.chosen()];
    for (int k = 0; k < ids.length; k++) {
      ids[k] = (int) ((long) k * shape.features() / ids.length);
    }
    Edit whole =
        new Edit(
            EditSite.of(point, TokenSelection.ALL, 1), new Edit.Features(sae, ids), Rule.ablate());
    try (Scope scope = Scope.open();
        CompiledEdit compiled = CompiledEdit.of(whole)) {
      int side = VIT_B_32.imageSize();
      Tensor pixels =
          Tensor.normal(new SplittableRandom(seed + 1), 1, shape.images(), 3, side, side);
      List<Hooks> variants =
          List.of(Hooks.NONE, Hooks.NONE.edit(point, compiled), Hooks.NONE.edit(point, whole));
      float[][] embeddings = new float[variants.size()][];
      double[][] seconds = new double[variants.size()][shape.rounds()];
      try (var task =
          progress.start("timing passes", variants.size() * (shape.rounds() + 1L), "passes")) {
        // The first round warms up and is not counted.
        for (int round = -1; round < shape.rounds(); round++) {
          for (int v = 0; v < variants.size(); v++) {
            try (Scope pass = Scope.open()) {
              long start = System.nanoTime();
              Tensor embedding = model.vision().run(pixels, variants.get(v)).embedding();
              if (round >= 0) seconds[v][round] = (System.nanoTime() - start) * 1e-9;
              embeddings[v] = embedding.toFloats();
            }
            task.advance(1, model.vision().flopsPerImage() * shape.images());
          }
        }
      }
      double[] ratios = new double[shape.rounds()];
      for (int r = 0; r < ratios.length; r++) ratios[r] = seconds[1][r] / seconds[0][r] - 1;
      return new EditBenchResult(
          shape,
          median(seconds[0]),
          median(seconds[1]),
          median(seconds[2]),
          Median.of(ratios),
          Arrays.stream(ratios).min().orElseThrow(),
          Arrays.stream(ratios).max().orElseThrow(),
          difference(embeddings[1], embeddings[2]),
          difference(embeddings[0], embeddings[2]));
    }
  }

  private static double median(double[] values) {
    return Median.of(values).value();
  }

  private static double difference(float[] a, float[] b) {
    double most = 0;
    for (int i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
    return most;
  }

  private static Sae sae(int width, int features, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    try (Scope scope = Scope.open()) {
      Tensor decoder = Tensor.normal(random, 1, features, width).unit();
      return new Sae(
          new SaeActivation.Relu(),
          new InputNormalisation.LayerNorm(),
          scope.release(decoder.transpose(0, 1).contiguous()),
          scope.release(Tensor.zeros(DType.F32, features).addInPlace(BIAS)),
          scope.release(decoder),
          scope.release(Tensor.zeros(DType.F32, width)),
          true);
    }
  }

  private static void delete(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) Files.delete(file);
      Files.delete(folder);
    } catch (IOException e) {
      System.err.println("clipsteer: " + folder + " could not be deleted");
    }
  }
}
