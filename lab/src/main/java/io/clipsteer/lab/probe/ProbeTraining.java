// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.probe;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Fits a head: its penalty is chosen on a fifth of the training images, then it is fitted on all of
 * them. Test images play no part.
 *
 * @param balanced whether all classes weigh the same
 */
public record ProbeTraining(boolean balanced, long seed) {
  /**
   * Penalties λ to choose from, for each row that is fitted; falling, so that each fit begins with
   * the one before.
   */
  private static final List<Double> PENALTIES = List.of(1e-2, 1e-3, 1e-4, 1e-5, 1e-6);

  /** Slopes at which fits end: to choose a penalty, and the last. */
  private static final double ROUGH = 1e-4;

  private static final double FINE = 1e-5;

  private static final double VALIDATION = 0.2;

  /** Bias of a class without a training row, which is never an answer. */
  private static final float NEVER = -1e6f;

  /**
   * A fitted head.
   *
   * @param l2 the chosen λ, for all rows together
   * @param validation every penalty on validation rows
   */
  public record Fitted(
      Probe probe, double l2, List<TriedPenalty> validation, int iterations, double slope) {}

  /**
   * A penalty on validation rows.
   *
   * @param loss mean −log of the right class's probability, by which the penalty is chosen
   */
  public record TriedPenalty(double l2PerRow, double loss, double accuracy) {}

  /** Fits on training images. */
  public Fitted fit(
      LabelledFeatures training, List<String> classes, Probe.Reads reads, Progress progress) {
    LabelledFeatures.LabelledRows all = training.labelled();
    int[] present = IntStream.of(all.labels()).distinct().sorted().toArray();
    if (present.length < 2 || training.images() < 5) {
      throw new InputException(
          "the training images",
          "have labels of fewer than two classes, or are fewer than five",
          "Give more images");
    }
    List<LabelledFeatures> parts = training.split(VALIDATION, seed);
    LabelledFeatures.LabelledRows held = parts.get(0).labelled();
    LabelledFeatures.LabelledRows own = parts.get(1).labelled();
    List<TriedPenalty> tried = new ArrayList<>();
    TriedPenalty best = null;
    try (var task = progress.start("fitting the head", PENALTIES.size() + 1, "fits")) {
      SoftmaxRegression before = null;
      SoftmaxRegression start = null;
      for (double penalty : PENALTIES) {
        before = regression(own, present, penalty, ROUGH, before);
        TriedPenalty one = tried(penalty, probe(before, present, classes, reads), held);
        tried.add(one);
        if (best == null || one.loss < best.loss) {
          best = one;
          start = before;
        }
        task.advance(1, 0);
      }
      double chosen = best == null ? PENALTIES.getFirst() : best.l2PerRow;
      SoftmaxRegression last = regression(all, present, chosen, FINE, start);
      task.advance(1, 0);
      return new Fitted(
          probe(last, present, classes, reads),
          chosen * all.labels().length,
          List.copyOf(tried),
          last.iterations(),
          last.slope());
    }
  }

  /**
   * Fits the classes that have rows.
   *
   * @param present their numbers, rising
   */
  private SoftmaxRegression regression(
      LabelledFeatures.LabelledRows rows,
      int[] present,
      double penalty,
      double tolerance,
      @Nullable SoftmaxRegression start) {
    int[] labels =
        IntStream.of(rows.labels()).map(label -> Arrays.binarySearch(present, label)).toArray();
    double @Nullable [] importance =
        balanced ? SoftmaxRegression.balanced(labels, present.length) : null;
    double l2 = penalty * labels.length;
    return SoftmaxRegression.fit(
        rows.rows(), labels, present.length, importance, l2, tolerance, start);
  }

  private static Probe probe(
      SoftmaxRegression fit, int[] present, List<String> classes, Probe.Reads reads) {
    int d = fit.weights().length / present.length;
    float[] weights = new float[classes.size() * d];
    float[] bias = new float[classes.size()];
    Arrays.fill(bias, NEVER);
    for (int k = 0; k < present.length; k++) {
      bias[present[k]] = (float) fit.bias()[k];
      for (int j = 0; j < d; j++) weights[present[k] * d + j] = (float) fit.weights()[k * d + j];
    }
    return new Probe(reads, classes, weights, bias);
  }

  private static TriedPenalty tried(
      double penalty, Probe probe, LabelledFeatures.LabelledRows rows) {
    int k = probe.classes().size();
    float[] logits = probe.logits(rows.rows());
    int n = rows.labels().length;
    double loss = 0;
    int right = 0;
    for (int i = 0; i < n; i++) {
      int best = 0;
      double most = Double.NEGATIVE_INFINITY;
      for (int c = 0; c < k; c++) {
        if (logits[i * k + c] <= most) continue;
        most = logits[i * k + c];
        best = c;
      }
      double sum = 0;
      for (int c = 0; c < k; c++) sum += Math.exp(logits[i * k + c] - most);
      loss += Math.log(sum) + most - logits[i * k + rows.labels()[i]];
      if (best == rows.labels()[i]) right++;
    }
    return new TriedPenalty(penalty, loss / n, (double) right / n);
  }
}
