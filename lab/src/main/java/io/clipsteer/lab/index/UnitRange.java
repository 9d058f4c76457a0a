// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.InputException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The range of a unit's activations on the images of an index.
 *
 * @param max the largest; 0 where the unit was never active
 * @param histogram active tokens by half octave, as {@link HalfOctaves#of} numbers them; empty
 *     where the unit was never active
 */
public record UnitRange(double max, List<Integer> histogram) {
  public UnitRange {
    histogram = List.copyOf(histogram);
  }

  /**
   * The activation that a share of the active tokens does not exceed, interpolated linearly in the
   * logarithm within a half octave; the largest activation ends the last one.
   *
   * @param share 0 to 1
   */
  public double quantile(double share) {
    double wanted = share * IntStream.range(0, histogram.size()).mapToLong(histogram::get).sum();
    int last = histogram.size() - 1;
    while (last >= 0 && histogram.get(last) == 0) last--;
    double below = 0;
    for (int bin = 0; bin <= last; bin++) {
      int count = histogram.get(bin);
      if (count > 0 && below + count >= wanted) {
        double low = Math.min(HalfOctaves.lowerEdge(bin), max);
        double high = bin == last ? max : Math.min(HalfOctaves.lowerEdge(bin + 1), max);
        return low * Math.pow(high / low, (wanted - below) / count);
      }
      below += count;
    }
    return max;
  }

  /**
   * Reads the ranges of the features of an SAE, or of the neurons of a hook point, by number.
   *
   * @param group the SAE's folder, or hook point and tokens
   * @throws InputException when the index has no such units
   */
  public static Map<Integer, UnitRange> of(IndexFolder index, IndexedUnits units, String group) {
    boolean held =
        index.has(units)
            && index.read(units).groups().stream().anyMatch(one -> one.sae().equals(group));
    if (!held) {
      throw new InputException(
          index.path(),
          "has no activations of the " + units + " of " + group,
          "Make them with clipsteer index --run "
              + index.path().getParent()
              + " --images SRC --units "
              + units
              + ", or give activations as numbers");
    }
    String sql =
        "SELECT id, max, histogram FROM " + units + " WHERE sae = '" + group.replace("'", "''");
    Map<Integer, UnitRange> ranges = new HashMap<>();
    for (List<@Nullable Object> row : FeatureQuery.run(index, sql + "'").rows()) {
      int id = ((Number) Objects.requireNonNull(row.get(0))).intValue();
      ranges.put(id, of(row.get(1), row.get(2)));
    }
    return ranges;
  }

  /** From the cells of a table's columns max and histogram. */
  public static UnitRange of(@Nullable Object max, @Nullable Object histogram) {
    List<Integer> counts =
        histogram instanceof List<?> list
            ? list.stream()
                .map(count -> ((Number) Objects.requireNonNull(count)).intValue())
                .toList()
            : List.of();
    return new UnitRange(max instanceof Number number ? number.doubleValue() : 0, counts);
  }
}
