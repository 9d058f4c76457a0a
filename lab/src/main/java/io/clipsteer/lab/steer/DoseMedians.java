// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import com.fasterxml.jackson.annotation.JsonProperty;
import io.clipsteer.data.stats.Median;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/**
 * The median dose-response of several features.
 *
 * @param features how many
 * @param own whether strengths are multiples of each feature's largest activation
 * @param halfStrength median strength of half the effect
 * @param halfStrengthLow lower end of its 95 % interval
 * @param halfStrengthHigh upper end
 * @param medians by rising strength
 */
public record DoseMedians(
    int features,
    @JsonProperty("own_units") boolean own,
    double halfStrength,
    double halfStrengthLow,
    double halfStrengthHigh,
    List<MedianPoint> medians) {
  /** Medians at one strength, of the numbers of {@link Dose.DosePoint}. */
  public record MedianPoint(double strength, double change, double norm, double nearest) {}

  static DoseMedians of(List<Dose> doses, boolean own) {
    Median half = Median.of(doses.stream().mapToDouble(Dose::half).toArray());
    return new DoseMedians(
        half.n(),
        own,
        half.value(),
        half.low(),
        half.high(),
        IntStream.range(0, doses.getFirst().points().size())
            .mapToObj(
                at ->
                    new MedianPoint(
                        median(doses, at, Dose.DosePoint::strength),
                        median(doses, at, Dose.DosePoint::change),
                        median(doses, at, Dose.DosePoint::norm),
                        median(doses, at, Dose.DosePoint::nearest)))
            .toList());
  }

  private static double median(List<Dose> doses, int at, ToDoubleFunction<Dose.DosePoint> number) {
    double[] values =
        doses.stream().mapToDouble(dose -> number.applyAsDouble(dose.points().get(at))).toArray();
    return Median.of(values).value();
  }
}
