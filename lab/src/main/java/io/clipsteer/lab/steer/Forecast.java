// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.stats.Share;
import org.jspecify.annotations.Nullable;

/**
 * How wide the interval of a share above τ will be, from the first units.
 *
 * @param place of the SAE or hook point
 * @param kind of units
 * @param width of the 95 % interval, 0 to 1
 * @param images with which it would be {@link #WANTED}; null where the units are too few for that
 */
public record Forecast(
    String place, SteeredUnits.UnitKind kind, double width, @Nullable Integer images) {
  /** A tenth: ten points. */
  public static final double WANTED = 0.1;

  private static final int MOST = 1 << 20;

  /**
   * Forecasts. The variance that samples of images cause falls with their number.
   *
   * @param pilot the first units
   * @param tau steerable from here
   * @param units all
   * @param images that are measured
   */
  static Forecast of(
      String place,
      SteeredUnits.UnitKind kind,
      SteerabilityFolder.Part pilot,
      double tau,
      int units,
      int images) {
    int n = pilot.scores().size();
    long steerable = pilot.scores().stream().filter(score -> score.isAbove(tau)).count();
    int hits = Math.toIntExact(Math.round((double) steerable / n * units));
    double variance = pilot.resampled().variance(n, Tally.groups(0, images));
    double width = width(hits, units, variance, images, images);
    Integer enough = null;
    if (Double.isFinite(variance) && width(hits, units, variance, images, MOST) <= WANTED) {
      int low = 1;
      int high = MOST;
      while (high - low > 1) {
        int middle = (low + high) / 2;
        if (width(hits, units, variance, images, middle) <= WANTED) high = middle;
        else low = middle;
      }
      enough = high;
    }
    return new Forecast(place, kind, width, enough);
  }

  private static double width(int hits, int units, double variance, int images, int others) {
    double scaled = variance * images / others;
    Share share = Share.of(hits, units, scaled, Tally.groups(0, others));
    return share.high() - share.low();
  }
}
