// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.stats.Mean;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.steer.Sweep;
import io.clipsteer.lab.index.UnitRange;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Measures the dose-response of a few features, and how far edited tokens are from a sample of real
 * ones.
 */
final class Dosing {
  /** Strengths in the features' own units: from none, over those that images cause, to 5x. */
  private static final List<Strength> OWN =
      Stream.of("0", "p50", "p90", "p99", "1x", "1.5x", "2x", "3x", "4x", "5x")
          .map(Strength::parse)
          .toList();

  /** Fractions of a strength that is a number. */
  private static final double[] FRACTIONS = {
    0, 1 / 64.0, 1 / 32.0, 1 / 16.0, 1 / 8.0, 1 / 4.0, 1 / 2.0, 3 / 4.0, 1
  };

  private static final int BLOCK = 32;

  /**
   * A feature whose dose-response is measured.
   *
   * @param word row of its word
   * @param range of its activations; null where strengths are numbers
   */
  record DosedFeature(int id, int word, @Nullable UnitRange range) {
    /** What strengths are divided by in results. */
    double unit() {
      return range == null ? 1 : range.max();
    }

    double value(Strength strength) {
      return range == null ? strength.number() : strength.of(range);
    }
  }

  private final Sweep sweep;
  private final boolean[] edited;
  private final RealTokens real;

  /** In the current scope. */
  private Dosing(Sweep sweep, boolean[] edited) {
    this.sweep = sweep;
    this.edited = edited;
    real = new RealTokens(sweep, edited);
  }

  /** The strengths of a curve: in the features' own units, or fractions of a number. */
  static List<Strength> strengths(Strength full) {
    if (full.isOwn()) return OWN;
    return DoubleStream.of(FRACTIONS)
        .mapToObj(fraction -> Strength.of(fraction * full.number()))
        .toList();
  }

  /**
   * Measures.
   *
   * @param sweep the images
   * @param sae whose features
   * @param edited which of an image's tokens are edited
   * @param features by rising number
   * @param strengths rising
   */
  static List<Dose> run(
      Sweep sweep,
      Sae sae,
      boolean[] edited,
      List<DosedFeature> features,
      List<Strength> strengths) {
    int[] ids = features.stream().mapToInt(DosedFeature::id).toArray();
    try (Scope scope = Scope.open()) {
      Dosing dosing = new Dosing(sweep, edited);
      List<List<Dose.DosePoint>> points = new ArrayList<>();
      for (int id : ids) points.add(new ArrayList<>(strengths.size()));
      for (Strength strength : strengths) {
        double[] values = features.stream().mapToDouble(one -> one.value(strength)).toArray();
        var units = new SteeredUnits.FeatureUnits(sae, ids, values);
        SteeredUnits.Shifts shifts = units.shifts(sweep.residuals());
        for (int from = 0; from < ids.length; from += BLOCK) {
          int[] block = IntStream.range(from, Math.min(from + BLOCK, ids.length)).toArray();
          Dose.DosePoint[] some = dosing.points(units, shifts, features, block);
          for (int k = 0; k < block.length; k++) points.get(block[k]).add(some[k]);
        }
      }
      List<Dose> doses = new ArrayList<>();
      for (int k = 0; k < ids.length; k++) {
        doses.add(Dose.of(ids[k], features.get(k).word(), points.get(k)));
      }
      return doses;
    }
  }

  /** One point of each of a block of units. */
  private Dose.DosePoint[] points(
      SteeredUnits.FeatureUnits units,
      SteeredUnits.Shifts shifts,
      List<DosedFeature> features,
      int[] block) {
    int images = sweep.images();
    int rows = images * sweep.tokens();
    float[] lengths = shifts.lengths(block, 0, rows, edited);
    int groups = Tally.groups(0, images);
    int[] sizes = Tally.sizes(images, groups);
    Dose.DosePoint[] points = new Dose.DosePoint[block.length];
    try (Scope scope = Scope.open()) {
      Tensor directions = units.directions(block[0], block.length);
      double[][] off = real.distances(directions, shifts, block);
      sweep.run(
          directions,
          lengths,
          0,
          images,
          groups,
          (k, change) -> {
            // Groups are of about the same size, so that the interval is that of their means.
            double[] means = new double[groups];
            double total = 0;
            for (int g = 0; g < groups; g++) {
              float sum = change.sums()[g * change.stride() + features.get(block[k]).word()];
              means[g] = sum / sizes[g];
              total += sum;
            }
            Mean mean = Mean.of(means);
            double value = total / images;
            double low = groups > 1 ? value + mean.low() - mean.value() : value;
            double high = groups > 1 ? value + mean.high() - mean.value() : value;
            points[k] =
                new Dose.DosePoint(
                    units.strengths()[block[k]] / features.get(block[k]).unit(),
                    value,
                    low,
                    high,
                    off[k][0],
                    off[k][1]);
          });
    }
    return points;
  }
}
