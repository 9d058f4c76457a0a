// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.answer;

import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.stats.Mean;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.lab.run.Images;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Zero-shot classification of an image set. */
public final class Classification {
  /** Answers kept for each image. */
  private static final int TOP = 5;

  /**
   * One image's answers.
   *
   * @param file the image's id in the set
   * @param truth row of the label, or null when unknown
   * @param answers best first
   */
  public record Prediction(String file, @Nullable Integer truth, List<ZeroShot.Answer> answers) {}

  /**
   * The result for the whole set.
   *
   * @param predictions in the set's order
   * @param skipped images that could not be read
   * @param judged number of images with a label
   * @param top1 top-1 accuracy over these; null without labels
   * @param top5 top-5 accuracy over these; null without labels
   * @param imagesPerSecond throughput from files to answers, without loading the model
   */
  public record Result(
      List<Prediction> predictions,
      List<ImageLoader.Skipped> skipped,
      int judged,
      @Nullable Double top1,
      @Nullable Double top5,
      double imagesPerSecond) {}

  private Classification() {}

  /**
   * Classifies every image.
   *
   * @param hooks with edits of the tower; {@link Hooks#NONE} without
   * @param truth row of the label by image id
   */
  public static Result run(
      ClipModel model,
      AnswerHead head,
      Images images,
      Hooks hooks,
      Map<String, Integer> truth,
      Progress progress) {
    List<Prediction> predictions = new ArrayList<>();
    long start = System.nanoTime();
    List<ImageLoader.Skipped> skipped =
        images.forEach(
            "classifying",
            model.vision().flopsPerImage(),
            progress,
            (batch, pixels) -> {
              var answers = ZeroShot.answers(model.vision().run(pixels, hooks), head, TOP);
              add(answers, batch, truth, predictions);
            });
    double seconds = (System.nanoTime() - start) * 1e-9;
    long judged = predictions.stream().filter(p -> p.truth != null).count();
    return new Result(
        List.copyOf(predictions),
        skipped,
        (int) judged,
        judged == 0 ? null : share(predictions, judged, 1),
        judged == 0 ? null : share(predictions, judged, TOP),
        predictions.size() / seconds);
  }

  private static void add(
      List<List<ZeroShot.Answer>> answers,
      ImageBatch batch,
      Map<String, Integer> truth,
      List<Prediction> predictions) {
    for (int i = 0; i < batch.count(); i++) {
      String id = batch.ids().get(i);
      predictions.add(new Prediction(id, truth.get(id), answers.get(i)));
    }
  }

  /**
   * Top-1 accuracy that an edit costs, over the images with a label: Student's interval of the
   * differences of single images.
   *
   * @return null without labels
   */
  public static @Nullable Mean lost(Result before, Result after) {
    double[] differences =
        IntStream.range(0, before.predictions.size())
            .filter(i -> before.predictions.get(i).truth != null)
            .mapToDouble(i -> right(before.predictions.get(i)) - right(after.predictions.get(i)))
            .toArray();
    return differences.length == 0 ? null : Mean.of(differences);
  }

  private static int right(Prediction one) {
    Integer truth = one.truth;
    return truth != null && one.answers.getFirst().index() == truth ? 1 : 0;
  }

  private static double share(List<Prediction> predictions, long judged, int among) {
    long right =
        predictions.stream()
            .filter(
                p ->
                    p.truth != null
                        && p.answers.stream().limit(among).anyMatch(a -> a.index() == p.truth))
            .count();
    return (double) right / judged;
  }
}
