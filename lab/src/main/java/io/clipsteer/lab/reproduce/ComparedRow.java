// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.reproduce;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.data.stats.IndependentDifference;
import org.jspecify.annotations.Nullable;

/**
 * A published number beside ours.
 *
 * @param published the number
 * @param ours null where there is none
 * @param difference ours minus the published value, or minus the nearest end of the published range
 * @param differenceLow lower end of its 95 % interval
 * @param differenceHigh upper end
 * @param power probability that a difference of the row's margin would be found with this interval
 * @param note why there is no number, or what has to be known about it; may be empty
 * @param command that gives our number; empty where there is none
 */
public record ComparedRow(
    @JsonUnwrapped PublishedRow published,
    @Nullable Figure ours,
    @Nullable Double difference,
    @Nullable Double differenceLow,
    @Nullable Double differenceHigh,
    @Nullable Double power,
    Verdict verdict,
    String note,
    String command) {
  /** What is published, without a number of ours. */
  public static ComparedRow without(PublishedRow row, String note, String command) {
    return new ComparedRow(row, null, null, null, null, null, Verdict.NOT_MEASURED, note, command);
  }

  /**
   * Compares.
   *
   * @param sameShape whether the model has the shape of the paper's
   */
  public static ComparedRow of(PublishedRow row, Figure ours, boolean sameShape, String command) {
    if (row.value() == null && !row.isRange()) {
      return new ComparedRow(
          row, ours, null, null, null, null, Verdict.NOTHING_PUBLISHED, row.reason(), command);
    }
    Double low = ours.low();
    Double high = ours.high();
    IndependentDifference difference = difference(row, ours);
    if (low == null || high == null) {
      String note = row.reason().isEmpty() ? "Our number has no interval" : row.reason();
      Verdict verdict = sameShape ? Verdict.CANNOT_TELL : Verdict.OTHER_MODEL;
      return new ComparedRow(
          row, ours, difference.value(), null, null, null, verdict, note, command);
    }
    double margin = row.margin();
    return new ComparedRow(
        row,
        ours,
        difference.value(),
        difference.low(),
        difference.high(),
        power(row, ours, difference),
        sameShape ? verdict(difference, margin) : Verdict.OTHER_MODEL,
        row.reason(),
        command);
  }

  /** The verdict by the interval of the difference. */
  static Verdict verdict(IndependentDifference difference, double margin) {
    if (difference.low() >= -margin && difference.high() <= margin) return Verdict.CONSISTENT;
    boolean zero = difference.low() <= 0 && difference.high() >= 0;
    return zero ? Verdict.CANNOT_TELL : Verdict.DIFFERENT;
  }

  private static double power(PublishedRow row, Figure ours, IndependentDifference difference) {
    if (!row.isRange()) return difference.power(row.margin());
    // Inside a range the difference is 0 whatever our number is: its own interval counts.
    Double low = ours.low();
    Double high = ours.high();
    if (low == null || high == null) return 0;
    return IndependentDifference.power(row.margin(), low, high);
  }

  private static IndependentDifference difference(PublishedRow row, Figure ours) {
    double low = ours.low() == null ? ours.value() : ours.low();
    double high = ours.high() == null ? ours.value() : ours.high();
    if (row.value() != null) {
      return IndependentDifference.of(
          ours.value(), low, high, row.value(), row.valueLow(), row.valueHigh());
    }
    return new IndependentDifference(
        beyond(row, ours.value()), beyond(row, low), beyond(row, high));
  }

  /** Distance from the nearest end of the range, 0 inside. */
  private static double beyond(PublishedRow row, double value) {
    Double low = row.low();
    Double high = row.high();
    if (low != null && value < low) return value - low;
    return high != null && value > high ? value - high : 0;
  }
}
