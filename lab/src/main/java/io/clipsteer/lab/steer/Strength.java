// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import com.fasterxml.jackson.annotation.JsonValue;
import io.clipsteer.data.InputException;
import io.clipsteer.lab.index.UnitRange;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * An activation that units are set to: one number for all, or in units of each unit's own
 * activations on the images of an index.
 *
 * @param unit of the number
 * @param number activation; factor of the maximum; or percentile, 0 to 100
 */
public record Strength(StrengthUnit unit, double number) {
  /** Of what a number says how much. */
  public enum StrengthUnit {
    /** An activation, the same for all units. */
    NUMBER,
    /** The unit's largest activation. */
    MAX,
    /** A percentile of the unit's activations above 0. */
    PERCENTILE
  }

  private static final Pattern FORM = Pattern.compile("(.+)x|p(.+)|(.+)");

  /** The same activation for all units. */
  public static Strength of(double number) {
    return new Strength(StrengthUnit.NUMBER, number);
  }

  /** A multiple of each unit's largest activation. */
  public static Strength times(double factor) {
    return new Strength(StrengthUnit.MAX, factor);
  }

  /**
   * Reads {@code 150}, {@code 2x} or {@code p99}.
   *
   * @throws InputException when it is none of these
   */
  public static Strength parse(String text) {
    Matcher form = FORM.matcher(text.strip());
    if (form.matches()) {
      StrengthUnit unit =
          form.group(1) != null
              ? StrengthUnit.MAX
              : form.group(2) != null ? StrengthUnit.PERCENTILE : StrengthUnit.NUMBER;
      for (int group = 1; group <= 3; group++) {
        if (form.group(group) != null && isNumber(unit, form.group(group))) {
          return new Strength(unit, Double.parseDouble(form.group(group)));
        }
      }
    }
    throw new InputException(
        text, "is no number, multiple or percentile", "Write 30, 2x or p99 (p0 to p100)");
  }

  private static boolean isNumber(StrengthUnit unit, String text) {
    if (!text.matches("[-+]?(\\d+\\.?\\d*|\\.\\d+)([eE][-+]?\\d{1,3})?")) return false;
    double number = Double.parseDouble(text);
    return unit == StrengthUnit.PERCENTILE
        ? number >= 0 && number <= 100
        : Double.isFinite((float) number);
  }

  /** Whether it depends on the unit. */
  public boolean isOwn() {
    return unit != StrengthUnit.NUMBER;
  }

  /** The activation of a unit with this range. */
  public double of(UnitRange range) {
    return switch (unit) {
      case NUMBER -> number;
      case MAX -> number * range.max();
      case PERCENTILE -> range.quantile(number / 100);
    };
  }

  /** As on the command line. */
  @Override
  public String toString() {
    String plain =
        number == Math.rint(number) && Math.abs(number) < 1e15 ? "" + (long) number : "" + number;
    return switch (unit) {
      case NUMBER -> plain;
      case MAX -> plain + "x";
      case PERCENTILE -> "p" + plain;
    };
  }

  /** A number, or the text of the command line. */
  @JsonValue
  Object json() {
    return isOwn() ? toString() : (Object) number;
  }
}
