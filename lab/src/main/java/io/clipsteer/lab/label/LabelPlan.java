// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import com.fasterxml.jackson.annotation.JsonValue;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * All trials of a human evaluation, made once; {@code plan.json}.
 *
 * @param format of the file, {@link #FORMAT}
 * @param run the run's folder, as it was named
 * @param source the images, as they were named
 * @param images that were read
 * @param patchRows of a heat map
 * @param patchColumns likewise
 */
public record LabelPlan(
    int format,
    String run,
    String source,
    int images,
    long seed,
    int annotators,
    int patchRows,
    int patchColumns,
    List<LabelledUnit> units,
    List<LabelTrial> trials) {
  public static final int FORMAT = 1;

  /** References of a 2AFC trial on either side; two queries follow them. */
  public static final int REFERENCES = 9;

  /** What a trial is for. */
  public enum TrialRole {
    /** It counts. */
    MAIN,
    /** For practice, before the others; the right answer is shown. */
    PRACTICE,
    /** Whoever sees the images gets it right. */
    CATCH;

    /** The name in files. */
    @JsonValue
    public String word() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * An image of a trial.
   *
   * @param image its file is {@code images/IMAGE.jpg}; the name says nothing about the image
   * @param fires whether it counts as an image of the unit
   * @param part "top", "decile 1" (strongest) to "decile 10", "inactive", "same labels" (inactive)
   * @param heat activations of the patches, Base64 of a byte each, 255 the unit's maximum; null
   *     where they are not shown
   */
  public record ShownImage(String image, boolean fires, String part, @Nullable String heat) {}

  /**
   * A trial.
   *
   * @param id says nothing about the unit
   * @param unit number of the unit
   * @param images in the order in which they are shown; of 2AFC the positive references, the
   *     negative ones, and the two queries
   */
  public record LabelTrial(
      String id, LabelTask task, TrialRole role, int unit, List<ShownImage> images) {
    /** The number of the right choice; -1 where several images or none are right. */
    public int right() {
      int first = task == LabelTask.TWO_AFC ? 2 * REFERENCES : 0;
      boolean wanted = task == LabelTask.TWO_AFC;
      if (!wanted && task != LabelTask.INTRUDER) return -1;
      for (int k = first; k < images.size(); k++) {
        if (images.get(k).fires == wanted) return k - first;
      }
      return -1;
    }
  }

  /** The tasks that it has, in their order. */
  public List<LabelTask> tasks() {
    return trials.stream().map(LabelTrial::task).distinct().sorted().toList();
  }

  /** The units that are evaluated: all but the one for practice. */
  public List<LabelledUnit> studied() {
    return IntStream.range(0, units.size())
        .filter(u -> trials.stream().anyMatch(t -> t.unit == u && t.role == TrialRole.MAIN))
        .mapToObj(units::get)
        .toList();
  }

  /** Trials for practice, which come first. */
  public int practices() {
    return (int) trials.stream().filter(one -> one.role == TrialRole.PRACTICE).count();
  }

  /** Estimated minutes of an annotator. */
  public double minutes() {
    return trials.stream().mapToDouble(one -> one.task.seconds()).sum() * (1 + REPEATED) / 60;
  }

  /** Share of the trials that are shown again. */
  static final double REPEATED = 0.1;
}
