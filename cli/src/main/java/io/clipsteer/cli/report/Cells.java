// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import java.util.Base64;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Cells of a table's answer as values. */
final class Cells {
  private Cells() {}

  static String text(@Nullable Object cell) {
    return cell == null ? "" : cell.toString();
  }

  static long whole(@Nullable Object cell) {
    return cell instanceof Number number ? number.longValue() : 0;
  }

  /** Rounded to six digits: a page is to be small. Null where there is no number. */
  static @Nullable Double number(@Nullable Object cell) {
    if (!(cell instanceof Number number)) return null;
    return rounded(number.doubleValue());
  }

  static @Nullable Double rounded(double value) {
    if (!Double.isFinite(value)) return null;
    if (value == 0) return value;
    double power = Math.pow(10, 5 - Math.floor(Math.log10(Math.abs(value))));
    double rounded = Math.round(value * power) / power;
    return Double.isFinite(rounded) ? rounded : value;
  }

  static List<?> list(@Nullable Object cell) {
    return cell instanceof List<?> list ? list : List.of();
  }

  /**
   * Values as bytes in base 64: 255 is {@code max}; what is above 0 is 1 at least.
   *
   * @param places where the values lie; null for one after the other
   */
  static String bytes(@Nullable List<?> places, List<?> values, int count, double max) {
    byte[] bytes = new byte[count];
    for (int i = 0; i < values.size(); i++) {
      int at = places == null ? i : (int) whole(places.get(i));
      double value = values.get(i) instanceof Number number ? number.doubleValue() : 0;
      if (at < 0 || at >= count || !(value > 0) || !(max > 0)) continue;
      bytes[at] = (byte) Math.clamp(Math.round(255 * value / max), 1, 255);
    }
    return Base64.getEncoder().encodeToString(bytes);
  }
}
