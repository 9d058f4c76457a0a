// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import com.fasterxml.jackson.annotation.JsonProperty;
import io.clipsteer.data.stats.Holm;
import io.clipsteer.data.stats.MeanDifference;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Whether features steer more than neurons or random directions of the same hook point, set to the
 * same strength: the difference of the mean unbiased S.
 *
 * @param layer block of the hook point
 * @param sae the features' SAE
 * @param set strength of the units
 * @param baseline the other kind
 * @param meanFeatures mean unbiased S of the features
 * @param meanBaseline the same of the others
 * @param difference of these
 * @param low lower end of its 95 % interval
 * @param high upper end
 * @param p two-sided, of no difference
 * @param pHolm adjusted for all comparisons of the report (Holm 1979)
 */
public record BaselineComparison(
    int layer,
    String sae,
    Strength set,
    SteeredUnits.UnitKind baseline,
    double meanFeatures,
    double meanBaseline,
    double difference,
    double low,
    double high,
    double p,
    double pHolm) {
  /** Significance of the adjusted p. */
  private static final double ALPHA = 0.05;

  /** Whether features steer more. */
  @JsonProperty("features_steer_more")
  public boolean isMore() {
    return difference > 0 && pHolm <= ALPHA;
  }

  /** Every SAE's features with every baseline of the same hook point and strength. */
  static List<BaselineComparison> of(List<LayerResult> layers) {
    List<BaselineComparison> comparisons = new ArrayList<>();
    for (LayerResult features : layers) {
      if (features.unit() != SteeredUnits.UnitKind.FEATURES) continue;
      for (LayerResult other : layers) {
        boolean beside =
            other.unit() != SteeredUnits.UnitKind.FEATURES
                && other.hookPoint().equals(features.hookPoint())
                && other.set().equals(features.set());
        if (beside && features.images() > 1) comparisons.add(of(features, other));
      }
    }
    double[] holm = Holm.adjust(comparisons.stream().mapToDouble(BaselineComparison::p).toArray());
    for (int k = 0; k < holm.length; k++) {
      comparisons.set(k, comparisons.get(k).adjusted(holm[k]));
    }
    return List.copyOf(comparisons);
  }

  /** All units are measured on the same images, and the bootstrap's samples are the same. */
  private static BaselineComparison of(LayerResult a, LayerResult b) {
    double[] shifts = new double[Measuring.DRAWS];
    Arrays.setAll(shifts, k -> a.resampled().shift()[k] / a.n() - b.resampled().shift()[k] / b.n());
    int groups = Tally.groups(0, a.images());
    double images = ResampledUnits.variance(shifts) * groups / (groups - 1.0);
    double mean = a.resampled().sum() / a.n();
    double other = b.resampled().sum() / b.n();
    double units = a.resampled().variance(a.n()) + b.resampled().variance(b.n());
    var test = MeanDifference.of(mean - other, units, images, groups);
    return new BaselineComparison(
        a.layer(),
        a.sae(),
        a.set(),
        b.unit(),
        mean,
        other,
        mean - other,
        test.low(),
        test.high(),
        test.p(),
        test.p());
  }

  private BaselineComparison adjusted(double holm) {
    return new BaselineComparison(
        layer, sae, set, baseline, meanFeatures, meanBaseline, difference, low, high, p, holm);
  }
}
