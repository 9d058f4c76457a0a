// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.reproduce;

import io.clipsteer.data.stats.Jackknife;
import io.clipsteer.data.stats.Mean;
import io.clipsteer.data.stats.Share;
import org.jspecify.annotations.Nullable;

/**
 * A measured number.
 *
 * @param low lower end of its 95 % interval; null where it has none
 * @param high upper end
 * @param n how many things it was measured on; null where that is not known
 */
public record Figure(
    double value, @Nullable Double low, @Nullable Double high, @Nullable Integer n) {
  /** A number without an interval. */
  static Figure alone(double value) {
    return new Figure(value, null, null, null);
  }

  static Figure of(Share share) {
    return new Figure(share.value(), share.low(), share.high(), share.n());
  }

  static Figure of(Mean mean) {
    return of(mean.value(), mean.low(), mean.high(), mean.n());
  }

  static Figure of(Jackknife jackknife) {
    return of(jackknife.value(), jackknife.low(), jackknife.high(), jackknife.n());
  }

  /** With an interval, unless one of its ends is not known. */
  static Figure of(double value, double low, double high, @Nullable Integer n) {
    boolean known = Double.isFinite(low) && Double.isFinite(high);
    return new Figure(value, known ? low : null, known ? high : null, n);
  }
}
