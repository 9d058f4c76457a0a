// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.lab.index.FeatureQuery;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Values of a query's cells. */
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
    return cell instanceof Number number ? rounded(number.doubleValue()) : null;
  }

  static @Nullable Double rounded(double value) {
    if (!Double.isFinite(value)) return null;
    if (value == 0) return value;
    double power = Math.pow(10, 5 - Math.floor(Math.log10(Math.abs(value))));
    double rounded = Math.round(value * power) / power;
    return Double.isFinite(rounded) ? rounded : value;
  }

  /** A cell as a page holds it: fractions rounded, all else as it is. */
  private static @Nullable Object small(@Nullable Object cell) {
    return cell instanceof Float || cell instanceof Double ? number(cell) : cell;
  }

  /** A row as an object, with the query's columns from {@code first} on as keys. */
  static Map<String, @Nullable Object> object(
      FeatureQuery.QueryRows answer, List<@Nullable Object> row, int first) {
    Map<String, @Nullable Object> object = new LinkedHashMap<>();
    for (int c = first; c < row.size(); c++) {
      object.put(answer.columns().get(c), small(row.get(c)));
    }
    return object;
  }

  static List<?> list(@Nullable Object cell) {
    return cell instanceof List<?> list ? list : List.of();
  }

  /**
   * Values as bytes in base 64: 255 is {@code max}; values above 0 are at least 1.
   *
   * @param positions positions of the values; null for one after the other
   */
  static String bytes(@Nullable List<?> positions, List<?> values, int count, double max) {
    byte[] bytes = new byte[count];
    for (int i = 0; i < values.size(); i++) {
      int at = positions == null ? i : (int) whole(positions.get(i));
      double value = values.get(i) instanceof Number number ? number.doubleValue() : 0;
      if (at < 0 || at >= count || !(value > 0) || !(max > 0)) continue;
      bytes[at] = (byte) Math.clamp(Math.round(255 * value / max), 1, 255);
    }
    return Base64.getEncoder().encodeToString(bytes);
  }
}
