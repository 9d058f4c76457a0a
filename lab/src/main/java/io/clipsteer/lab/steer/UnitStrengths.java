// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.stats.Median;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.IndexedUnits;
import io.clipsteer.lab.index.UnitRange;
import io.clipsteer.lab.run.RunFolder;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * What strengths mean for the units of one SAE and its hook point. Only strengths in units of a
 * unit's own activations read the index.
 */
public final class UnitStrengths {
  private final IndexFolder index;
  private final Path run;
  private final RunFolder.SaeEntry entry;
  private final Map<IndexedUnits, Map<Integer, UnitRange>> ranges =
      new EnumMap<>(IndexedUnits.class);

  /**
   * Reads nothing yet.
   *
   * @param run folder of the SAEs
   * @param entry the SAE
   */
  public UnitStrengths(IndexFolder index, Path run, RunFolder.SaeEntry entry) {
    this.index = index;
    this.run = run;
    this.entry = entry;
  }

  /**
   * Activations of features, in units of the normalised residual.
   *
   * @throws InputException when the index does not hold them, or one was never active
   */
  public float[] features(Strength strength, List<Integer> ids) {
    return values(IndexedUnits.FEATURES, strength, ids);
  }

  /** Activations of neurons, in units of the residual; a neuron's maximum is that of x, not |x|. */
  public float[] neurons(Strength strength, List<Integer> ids) {
    return values(IndexedUnits.NEURONS, strength, ids);
  }

  /** Of a random direction: the median over the SAE's features that were ever active. */
  public float random(Strength strength) {
    if (!strength.isOwn()) return (float) strength.number();
    double[] values =
        ranges(IndexedUnits.FEATURES).values().stream()
            .filter(range -> range.max() > 0)
            .mapToDouble(strength::of)
            .toArray();
    return values.length == 0 ? 0 : (float) Median.of(values).value();
  }

  /** Ranges by number. */
  Map<Integer, UnitRange> ranges(IndexedUnits units) {
    String group =
        units == IndexedUnits.FEATURES ? entry.folder() : entry.hookPoint() + "." + entry.tokens();
    if (!ranges.containsKey(units) && units == IndexedUnits.FEATURES) {
      index.checkSae(entry.folder(), run.resolve(entry.folder()).resolve(SaeFiles.WEIGHTS));
    }
    return ranges.computeIfAbsent(units, kind -> UnitRange.of(index, kind, group));
  }

  private float[] values(IndexedUnits units, Strength strength, List<Integer> ids) {
    float[] values = new float[ids.size()];
    for (int k = 0; k < values.length; k++) {
      values[k] = strength.isOwn() ? own(units, strength, ids.get(k)) : (float) strength.number();
    }
    return values;
  }

  private float own(IndexedUnits units, Strength strength, int id) {
    UnitRange range = ranges(units).get(id);
    if (range == null || range.max() <= 0) {
      String unit = units.toString().substring(0, units.toString().length() - 1);
      throw new InputException(
          unit + " " + id,
          "was never active on the images of "
              + index.path()
              + ", so that "
              + strength
              + " is nothing",
          "Give a number, or index more images");
    }
    return (float) strength.of(range);
  }
}
