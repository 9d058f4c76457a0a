// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

/**
 * Quantiles of any number of values of at least 0 in fixed memory. A value is counted in the bin of
 * its exponent and first 8 bits as a float, 256 bins an octave, so that a quantile is exact to 0.4
 * %. Sums are those of the values themselves.
 */
final class QuantileTally {
  private static final int SHIFT = 15;

  private final long[] counts = new long[1 << 31 - SHIFT];
  private final double[] sums = new double[counts.length];
  private long values;
  private double sum;

  /**
   * Adds a value.
   *
   * @param value at least 0; NaN is the largest
   */
  void add(double value) {
    int bin = Float.floatToIntBits((float) value) >>> SHIFT;
    counts[bin]++;
    sums[bin] += value;
    values++;
    sum += value;
  }

  /** Adds the values of another tally. */
  void add(QuantileTally next) {
    for (int bin = 0; bin < counts.length; bin++) {
      counts[bin] += next.counts[bin];
      sums[bin] += next.sums[bin];
    }
    values += next.values;
    sum += next.sum;
  }

  /** Moves the state to a stream or from it. */
  void move(StatePort port) {
    port.longs(counts);
    port.doubles(sums);
    values = port.number(values);
    sum = port.number(sum);
  }

  /** The lower median: the mean of its bin's values; NaN before the first value. */
  double median() {
    long before = 0;
    for (int bin = 0; bin < counts.length; bin++) {
      before += counts[bin];
      if (2 * before >= values && counts[bin] > 0) return sums[bin] / counts[bin];
    }
    return Double.NaN;
  }

  /** Share of the sum that the largest values have, {@code share} of all values; NaN of a sum 0. */
  double topShare(double share) {
    double left = share * values;
    double top = 0;
    for (int bin = counts.length - 1; bin >= 0 && left > 0; bin--) {
      if (counts[bin] == 0) continue;
      double taken = Math.min(left, counts[bin]);
      top += sums[bin] * taken / counts[bin];
      left -= taken;
    }
    return top / sum;
  }
}
