// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.reproduce;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonValue;
import io.clipsteer.data.stats.Share;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * A published number.
 *
 * @param id unique
 * @param paper {@code steering-clip} or {@code saev}
 * @param place section, table or figure
 * @param what the number in words
 * @param kind of the number
 * @param value as printed; null where a range or words alone are published
 * @param low lower end of a published range; null where it is open
 * @param high upper end of a published range; null where it is open
 * @param n how many things it was counted on; null where that is not known
 * @param step unit of the last printed digit of the value
 * @param margin difference that would matter, above 0
 * @param evidence how the number is known
 * @param stage whose result has our number; empty where none has
 * @param figure our number in that result
 * @param reason why there is no number of ours, or what differs; may be empty
 */
public record PublishedRow(
    String id,
    String paper,
    String place,
    String what,
    NumberKind kind,
    @Nullable Double value,
    @Nullable Double low,
    @Nullable Double high,
    @Nullable Integer n,
    double step,
    double margin,
    Evidence evidence,
    String stage,
    String figure,
    String reason) {
  /** What a number is. */
  public enum NumberKind {
    /** Part of counted things, from 0 to 1. */
    SHARE,
    /** Any other number. */
    NUMBER,
    /** No number: words. */
    WORDS;

    @JsonValue
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** How a published number is known. */
  public enum Evidence {
    /** Stated by the paper. */
    STATED,
    /** Read in the authors' code, or in tables beside it. */
    CODE,
    /** On a model card. */
    CARD,
    /** Read off a figure, or in the script that draws it. */
    FIGURE,
    /** Computed from printed numbers. */
    RECOMPUTED,
    /** Inferred from other numbers. */
    INFERRED;

    @JsonValue
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** Whether it is to be compared with a number of ours. */
  @JsonIgnore
  public boolean isMeasured() {
    return !stage.isEmpty();
  }

  /** Whether it is a range, and not a value. */
  boolean isRange() {
    return value == null && (low != null || high != null);
  }

  /** Lower end of the value's own interval: Wilson's of a counted share, else the rounding. */
  double valueLow() {
    return counted() == null ? number() - step / 2 : counted().low();
  }

  /** Upper end of the same. */
  double valueHigh() {
    return counted() == null ? number() + step / 2 : counted().high();
  }

  private double number() {
    return value == null ? Double.NaN : value;
  }

  private @Nullable Share counted() {
    if (kind != NumberKind.SHARE || n == null || value == null) return null;
    return Share.of((int) Math.round(value * n), n);
  }
}
