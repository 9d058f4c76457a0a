// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.data.Progress;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.ReadOut;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.lab.probe.HeadInput;
import io.clipsteer.lab.probe.Probe;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Times a study of selectivity of patches at the last layer, on random residuals that are in memory
 * as a study keeps them: encoding, statistics, choice of features, edits, controls, intervals.
 */
public final class SelectivityBench {
  private static final double EPS = 1e-5;
  private static final int K = 32;

  private SelectivityBench() {}

  /**
   * Sizes.
   *
   * @param images of the evaluation, and again as many to choose features on
   * @param controls random ones of each kind
   */
  public record StudyShape(
      int classes, int images, int patches, int width, int features, int controls) {}

  /**
   * The measurements.
   *
   * @param studied classes that the random head answers for any item
   * @param seconds of the whole but for making the random residuals
   * @param peakBytes largest resident memory of the process
   */
  public record StudyTime(StudyShape shape, int studied, double seconds, long peakBytes) {}

  /** Measures, at 0 and −2 times the largest activation. */
  public static StudyTime run(StudyShape shape, long seed, Progress progress) {
    var random = new SplittableRandom(seed);
    int d = shape.width();
    var settings =
        new SelectivitySettings(
            SelectivitySettings.FeatureChoice.F1,
            1,
            null,
            List.of(),
            List.of(),
            List.of(0.0, -2.0),
            shape.controls(),
            seed);
    List<String> names = IntStream.range(0, shape.classes()).mapToObj(c -> "class " + c).toList();
    try (Scope scope = Scope.open();
        KeptImages training = images(shape, random);
        KeptImages tested = images(shape, random)) {
      ReadOut norm =
          new ReadOut(
              Tensor.normal(random, 0.3, d).addInPlace(1),
              Tensor.normal(random, 0.1, d),
              EPS,
              null,
              null);
      float[] weights = Tensor.normal(random, 1, shape.classes(), d).toFloats();
      var reads = new Probe.Reads(Probe.HeadTask.SEGMENTATION, "", "", 0, HeadInput.PATCHES, false);
      Probe probe = new Probe(reads, names, weights, new float[shape.classes()]);
      try (Sae sae = sae(shape, random)) {
        long start = System.nanoTime();
        int studied = study(new Scene(training, tested, norm, probe, sae), settings, progress);
        double seconds = (System.nanoTime() - start) * 1e-9;
        return new StudyTime(shape, studied, seconds, Engine.peakBytes());
      }
    }
  }

  /** Random inputs. */
  private record Scene(
      KeptImages training, KeptImages tested, ReadOut norm, Probe probe, Sae sae) {}

  private static int study(Scene scene, SelectivitySettings settings, Progress progress) {
    int classes = scene.probe.classes().size();
    try (Sae untrained = ControlDirections.untrained(scene.sae, settings.seed());
        LastPatches known = new LastPatches(scene.training, scene.norm, scene.probe);
        LastPatches answers = new LastPatches(scene.tested, scene.norm, scene.probe);
        var task = progress.start("editing features", classes, "classes")) {
      Items items = known.items();
      var selection = new FeatureSelection(settings, scene.probe.classes(), null);
      SaeReading read = selection.read(scene.training, items, known.before(), scene.sae);
      SaeReading random = selection.read(scene.training, items, known.before(), untrained);
      var controls =
          ControlDirections.of(read, random, scene.training, settings.controls(), settings.seed());
      ItemCodes codes = ItemCodes.of(scene.tested, scene.sae);
      var labels = new ItemLabels(answers.before());
      var study = new ClassStudy(answers, codes, labels, selection, controls);
      int studied = 0;
      for (int c = 0; c < classes; c++) {
        int label = c;
        task.advance(1, 0);
        if (IntStream.of(known.before()).noneMatch(answer -> answer == label)) continue;
        study.effects(c, (one, scale, own, after) -> null);
        studied++;
      }
      return studied;
    }
  }

  private static KeptImages images(StudyShape shape, SplittableRandom random) {
    List<String> ids = IntStream.range(0, shape.images()).mapToObj(String::valueOf).toList();
    int each = shape.patches() + 1;
    try (Scope scope = Scope.open()) {
      Tensor tokens = Tensor.normal(random, 1, (long) shape.images() * each, shape.width());
      return new KeptImages(ids, scope.release(tokens), each, 1, List.of());
    }
  }

  private static Sae sae(StudyShape shape, SplittableRandom random) {
    int d = shape.width();
    try (Scope scope = Scope.open()) {
      Tensor decoder = Tensor.normal(random, 1, shape.features(), d).unit();
      return new Sae(
          new SaeActivation.TopK(K),
          new InputNormalisation.LayerNorm(),
          scope.release(decoder.transpose(0, 1).contiguous().copy()),
          scope.release(Tensor.zeros(DType.F32, shape.features())),
          scope.release(decoder.copy()),
          scope.release(Tensor.zeros(DType.F32, d)),
          true);
    }
  }
}
