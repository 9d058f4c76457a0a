// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.engine.model.ReadOut;
import io.clipsteer.engine.model.VisionTower;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * A study's images in one process, distinct ones in both splits.
 *
 * @param training features are chosen on them
 * @param tested edits are evaluated on them
 * @param answers of the tested images
 * @param known labels of the training images' items
 */
record StudyImages(KeptImages training, KeptImages tested, EditedAnswers answers, int[] known)
    implements AutoCloseable {

  /** Both splits, before anything is answered. */
  private record Splits(KeptImages training, KeptImages tested) {
    void close() {
      training.close();
      tested.close();
    }
  }

  /** Reads the images of a study. */
  static StudyImages of(SelectivityRun run, Progress progress) {
    Splits splits = splits(run, progress);
    try {
      SelectivityRun.LabelledSet train = run.train();
      SelectivityRun.LabelledSet from = train == null ? run.test() : train;
      VisionTower vision = run.model().vision();
      int[] known = ItemLabels.of(from.data(), from.images(), splits.training, vision).labels();
      return new StudyImages(splits.training, splits.tested, answers(run, splits.tested), known);
    } catch (RuntimeException e) {
      splits.close();
      throw e;
    }
  }

  private static Splits splits(SelectivityRun run, Progress progress) {
    VisionTower vision = run.model().vision();
    SelectivityRun.LabelledSet test = run.test();
    KeptImages all = KeptImages.of(vision, test.images(), run.one().point(), progress);
    SelectivityRun.LabelledSet train = run.train();
    if (train != null) {
      return new Splits(KeptImages.of(vision, train.images(), run.one().point(), progress), all);
    }
    try (all) {
      int n = all.images();
      int[] order =
          ControlDirections.some(
              IntStream.range(0, n).toArray(), n, new SplittableRandom(run.settings().seed()));
      int[] first = Arrays.stream(order, 0, n / 2).sorted().toArray();
      int[] second = Arrays.stream(order, n / 2, n).sorted().toArray();
      if (first.length == 0) {
        throw new InputException(test.images().set().origin(), "has one image", "Give more images");
      }
      return new Splits(all.some(first, List.of()), all.some(second, all.skipped()));
    }
  }

  /** What the study's head answers for some images. */
  static EditedAnswers answers(SelectivityRun run, KeptImages kept) {
    VisionTower vision = run.model().vision();
    ReadOut norm = vision.finalNorm();
    return run.isLocal() && norm != null
        ? new LastPatches(kept, norm, run.probe())
        : Continuing.of(vision, run.one().point(), kept, run.probe(), run.whole());
  }

  @Override
  public void close() {
    answers.close();
    training.close();
    tested.close();
  }
}
