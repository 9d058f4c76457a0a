// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import com.fasterxml.jackson.annotation.JsonValue;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What an annotator said to a trial.
 *
 * @param plan {@link PlanFolder#hash}
 * @param position of the trial in the annotator's order, from 0
 * @param trial its id
 * @param name that was shown (verification); null for other tasks
 * @param milliseconds from the trial's appearance to the answer, as the page measured them
 * @param heatMaps how often heat maps were switched on
 * @param time in UTC, ISO 8601
 */
public record LabelAnswer(
    String plan,
    int position,
    String trial,
    @Nullable String name,
    Said said,
    long milliseconds,
    int heatMaps,
    String time) {
  /** What an annotator sees in a sheet's images. */
  public enum Ideas {
    /** Nothing in common. */
    NONE,
    /** Several ideas. */
    SEVERAL,
    /** One. */
    ONE;

    /** The name in files. */
    @JsonValue
    public String word() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * The answer itself; null where the task does not need it.
   *
   * @param choice number of a query (2AFC) or of an image (intruder)
   * @param confidence 1 to 3
   * @param ideas of naming
   * @param idea its name
   * @param picked numbers of images that fit (naming) or fire (verification)
   * @param skipped why the trial could not be shown
   */
  public record Said(
      @Nullable Integer choice,
      @Nullable Integer confidence,
      @Nullable Ideas ideas,
      @Nullable String idea,
      @Nullable List<Integer> picked,
      @Nullable String skipped) {
    private static final int LONGEST = 100;

    /** An answer that says why there is none. */
    static Said skipped(String why) {
      return new Said(null, null, null, null, null, why);
    }

    /** What is wrong with an answer to a trial; null where nothing is. */
    @Nullable String fault(LabelPlan.LabelTrial trial) {
      if (skipped != null) return "only the page skips a trial";
      int images = trial.images().size();
      if (confidence != null && (confidence < 1 || confidence > 3)) return "confidence is 1 to 3";
      boolean within =
          picked == null
              || picked.stream().allMatch(k -> k != null && k >= 0 && k < images)
                  && picked.stream().distinct().count() == picked.size();
      if (!within) return "it picks an image that is not shown, or one twice";
      return switch (trial.task()) {
        case TWO_AFC -> chosen(2);
        case INTRUDER -> chosen(images);
        case VERIFICATION -> picked == null ? "it picks no images" : null;
        case NAMING -> naming();
      };
    }

    private @Nullable String chosen(int among) {
      return choice == null || choice < 0 || choice >= among ? "it chooses nothing shown" : null;
    }

    private @Nullable String naming() {
      if (ideas == null) return "it does not say how many ideas there are";
      if (idea == null || idea.isBlank()) {
        return ideas == Ideas.ONE ? "it does not name the idea" : null;
      }
      return idea.length() > LONGEST ? "the name is too long" : null;
    }
  }
}
