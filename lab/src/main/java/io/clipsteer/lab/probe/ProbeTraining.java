// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.probe;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Fits a head. L-BFGS: its penalty is chosen on a fifth of the training images, then it is fitted
 * on all of them. AdamW: heads are fitted on four fifths, and the best one on the other fifth is
 * taken. Test images play no part.
 *
 * @param balanced whether all classes weigh the same
 */
public record ProbeTraining(Optimizer optimizer, boolean balanced, long seed) {
  /** What fits. */
  public enum Optimizer {
    /** The minimum of the penalised loss. */
    LBFGS,
    /** AdamW at the settings of arXiv 2502.06755's code. */
    ADAMW;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * Penalties λ to choose from, for each row that is fitted; falling, so that each fit begins with
   * the one before.
   */
  private static final List<Double> PENALTIES = List.of(1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6);

  /** Slopes at which fits end: to choose a penalty, and the last. */
  private static final double ROUGH = 1e-4;

  private static final double FINE = 1e-5;

  private static final double VALIDATION = 0.2;

  /** Bias of a class without a training row, which is never an answer. */
  private static final float NEVER = -1e6f;

  /**
   * A fitted head.
   *
   * @param chosen its settings
   * @param l2 λ for all rows together; null for AdamW
   * @param validation all settings that were tried
   */
  public record Fitted(
      Probe probe, TriedSettings chosen, @Nullable Double l2, List<TriedSettings> validation) {
    /** The settings in words. */
    public String settings() {
      return l2 != null
          ? String.format(Locale.ROOT, "penalty %.3g", l2)
          : String.format(
              Locale.ROOT,
              "learning rate %.0e, weight decay %.0e, best after epoch %d",
              chosen.rate,
              chosen.decay,
              chosen.epoch);
    }
  }

  /**
   * Settings, on validation rows.
   *
   * @param l2PerRow λ for each row; null for AdamW
   * @param rate learning rate; null for L-BFGS
   * @param decay weight decay; null for L-BFGS
   * @param epoch after which the loss was lowest, from 1; null for L-BFGS
   * @param loss mean −log of the right class's probability, by which settings are chosen; null
   *     where it never was finite
   * @param accuracy null for AdamW
   */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record TriedSettings(
      @Nullable Double l2PerRow,
      @Nullable Double rate,
      @Nullable Double decay,
      @Nullable Integer epoch,
      @Nullable Double loss,
      @Nullable Double accuracy) {
    private static TriedSettings of(AdamWHeads.TriedHead head) {
      Double loss = Double.isFinite(head.loss()) ? head.loss() : null;
      return new TriedSettings(null, head.rate(), head.decay(), head.epoch(), loss, null);
    }
  }

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
    return switch (optimizer) {
      case LBFGS -> lowest(all, own, held, present, classes, reads, progress);
      case ADAMW -> stopped(own, held, present, classes, reads, progress);
    };
  }

  private Fitted lowest(
      LabelledFeatures.LabelledRows all,
      LabelledFeatures.LabelledRows own,
      LabelledFeatures.LabelledRows held,
      int[] present,
      List<String> classes,
      Probe.Reads reads,
      Progress progress) {
    List<TriedSettings> tried = new ArrayList<>();
    double least = Double.POSITIVE_INFINITY;
    int best = 0;
    try (var task = progress.start("fitting the head", PENALTIES.size() + 1, "fits")) {
      SoftmaxRegression before = null;
      SoftmaxRegression start = null;
      for (double penalty : PENALTIES) {
        before = regression(own, present, penalty, ROUGH, before);
        Loss one = loss(probe(before, present, classes, reads), held);
        if (start == null || one.mean < least) {
          least = one.mean;
          best = tried.size();
          start = before;
        }
        tried.add(new TriedSettings(penalty, null, null, null, one.mean, one.accuracy));
        task.advance(1, 0);
      }
      double chosen = PENALTIES.get(best);
      SoftmaxRegression last = regression(all, present, chosen, FINE, start);
      task.advance(1, 0);
      return new Fitted(
          probe(last, present, classes, reads),
          tried.get(best),
          chosen * all.labels().length,
          List.copyOf(tried));
    }
  }

  private Fitted stopped(
      LabelledFeatures.LabelledRows own,
      LabelledFeatures.LabelledRows held,
      int[] present,
      List<String> classes,
      Probe.Reads reads,
      Progress progress) {
    AdamWHeads settings =
        reads.task() == Probe.HeadTask.SEGMENTATION ? AdamWHeads.PATCHES : AdamWHeads.IMAGES;
    int[] labels = numbers(own.labels(), present);
    var fitted =
        settings.fit(
            new LabelledFeatures.LabelledRows(own.rows(), labels),
            new LabelledFeatures.LabelledRows(held.rows(), numbers(held.labels(), present)),
            present.length,
            importance(labels, present.length),
            seed,
            progress);
    return new Fitted(
        probe(fitted.weights(), fitted.bias(), present, classes, reads),
        TriedSettings.of(fitted.best()),
        null,
        fitted.heads().stream().map(TriedSettings::of).toList());
  }

  /** Labels as positions among the classes that have rows. */
  private static int[] numbers(int[] labels, int[] present) {
    return IntStream.of(labels).map(label -> Arrays.binarySearch(present, label)).toArray();
  }

  private double @Nullable [] importance(int[] labels, int classes) {
    return balanced ? SoftmaxRegression.balanced(labels, classes) : null;
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
    int[] labels = numbers(rows.labels(), present);
    double @Nullable [] importance = importance(labels, present.length);
    double l2 = penalty * labels.length;
    return SoftmaxRegression.fit(
        rows.rows(), labels, present.length, importance, l2, tolerance, start);
  }

  private static Probe probe(
      SoftmaxRegression fit, int[] present, List<String> classes, Probe.Reads reads) {
    return probe(floats(fit.weights()), floats(fit.bias()), present, classes, reads);
  }

  private static float[] floats(double[] numbers) {
    float[] floats = new float[numbers.length];
    for (int i = 0; i < floats.length; i++) floats[i] = (float) numbers[i];
    return floats;
  }

  /** A head of all classes, of one of those that have rows. */
  private static Probe probe(
      float[] fitted, float[] biases, int[] present, List<String> classes, Probe.Reads reads) {
    int d = fitted.length / present.length;
    float[] weights = new float[classes.size() * d];
    float[] bias = new float[classes.size()];
    Arrays.fill(bias, NEVER);
    for (int k = 0; k < present.length; k++) {
      bias[present[k]] = biases[k];
      System.arraycopy(fitted, k * d, weights, present[k] * d, d);
    }
    return new Probe(reads, classes, weights, bias);
  }

  /** Mean −log of the right class's probability, and accuracy. */
  private record Loss(double mean, double accuracy) {}

  private static Loss loss(Probe probe, LabelledFeatures.LabelledRows rows) {
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
    return new Loss(loss / n, (double) right / n);
  }
}
