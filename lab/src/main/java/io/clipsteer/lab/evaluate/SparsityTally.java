// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import io.clipsteer.data.stats.Jackknife;
import io.clipsteer.engine.sae.SparseCode;
import io.clipsteer.lab.run.StatePort;
import io.clipsteer.lab.run.TokenLayout;
import io.clipsteer.lab.run.TokenStatistics;
import io.clipsteer.lab.run.VarianceTally;
import java.lang.foreign.ValueLayout;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Running sums over an SAE's tokens, all in double. Memory depends on the SAE and the grid, not on
 * the number of tokens.
 */
final class SparsityTally {
  private static final double LOWEST = -6;
  private static final double BINS_PER_DECADE = 4;
  private static final double DENSE = 0.1;

  private final TokenLayout layout;
  private final int width;
  private final VarianceTally variance;
  private final ImageGroups groups;

  private final long[] fired;
  private final long[] activeAt;
  private final long[] tokensAt;
  private final double[] xx;
  private final double[] xy;
  private final double[] yy;
  private long tokens;
  private double cosines;

  /**
   * No token yet.
   *
   * @param features f
   * @param statistics of all tokens that will be added
   */
  SparsityTally(TokenLayout layout, int features, TokenStatistics statistics) {
    this.layout = layout;
    this.width = statistics.width();
    this.variance = new VarianceTally(statistics);
    this.groups = new ImageGroups(statistics.mean().mean());
    this.fired = new long[features];
    this.activeAt = new long[layout.count()];
    this.tokensAt = new long[layout.count()];
    this.xx = new double[width];
    this.xy = new double[width];
    this.yy = new double[width];
  }

  /** Tokens so far. */
  long tokens() {
    return tokens;
  }

  /**
   * More tokens, whole images of them.
   *
   * @param x what the SAE read, row-major [n,d]
   * @param y its reconstruction, row-major [n,d]
   */
  void add(float[] x, float[] y, SparseCode code) {
    int[] positions = new int[code.rows()];
    for (int i = 0; i < positions.length; i++) positions[i] = i % layout.count();
    add(x, y, code, positions, true);
  }

  /**
   * More tokens.
   *
   * @param x what the SAE read, row-major [n,d]
   * @param y its reconstruction, row-major [n,d]
   * @param positions [n], each token's among those that an SAE reads, from 0
   */
  void add(float[] x, float[] y, SparseCode code, int[] positions) {
    add(x, y, code, positions, false);
  }

  private void add(float[] x, float[] y, SparseCode code, int[] positions, boolean images) {
    int n = code.rows();
    variance.add(x, y);
    for (int i = 0; i < n; i++) addToken(x, y, i * width);
    float[] values = code.values().toFloats();
    int[] features = code.indices().segment().toArray(ValueLayout.JAVA_INT);
    int[] starts = code.starts();
    for (int i = 0; i < n; i++) {
      int active = 0;
      for (int e = starts[i]; e < starts[i + 1]; e++) {
        if (values[e] <= 0) continue;
        active++;
        fired[features[e]]++;
      }
      activeAt[positions[i]] += active;
      tokensAt[positions[i]]++;
      if (images) groups.add(x, y, i * width, positions[i], active);
    }
    tokens += n;
  }

  private void addToken(float[] x, float[] y, int at) {
    double xSquare = 0;
    double ySquare = 0;
    double product = 0;
    for (int j = 0; j < width; j++) {
      double a = x[at + j];
      double b = y[at + j];
      xx[j] += a * a;
      xy[j] += a * b;
      yy[j] += b * b;
      xSquare += a * a;
      ySquare += b * b;
      product += a * b;
    }
    cosines += cosine(product, xSquare, ySquare);
  }

  /** 0 where one of the two is the zero vector. */
  private static double cosine(double product, double xSquare, double ySquare) {
    return product == 0 ? 0 : product / (Math.sqrt(xSquare) * Math.sqrt(ySquare));
  }

  /** Adds the tokens of another tally of the same SAE. */
  void add(SparsityTally next) {
    variance.add(next.variance);
    groups.add(next.groups);
    for (int j = 0; j < fired.length; j++) fired[j] += next.fired[j];
    for (int p = 0; p < activeAt.length; p++) {
      activeAt[p] += next.activeAt[p];
      tokensAt[p] += next.tokensAt[p];
    }
    for (int j = 0; j < width; j++) {
      xx[j] += next.xx[j];
      xy[j] += next.xy[j];
      yy[j] += next.yy[j];
    }
    tokens += next.tokens;
    cosines += next.cosines;
  }

  /** Moves the state to a stream or from it. */
  void move(StatePort port) {
    variance.move(port);
    groups.move(port);
    port.longs(fired);
    port.longs(activeAt);
    port.longs(tokensAt);
    port.doubles(xx);
    port.doubles(xy);
    port.doubles(yy);
    tokens = port.number(tokens);
    cosines = port.number(cosines);
  }

  /** The numbers so far. */
  SparsityReport.Sparsity result() {
    long alive = 0;
    long dense = 0;
    for (long count : fired) {
      if (count > 0) alive++;
      if (count > DENSE * tokens) dense++;
    }
    int prefix = layout.prefix();
    return new SparsityReport.Sparsity(
        tokens,
        fired.length,
        l0(0, layout.count()),
        layout.hasCls() ? (Double) l0(0, 1) : null,
        layout.patches() > 0 ? (Double) l0(prefix - layout.first(), layout.count()) : null,
        layout.patches() > 0 ? grid() : null,
        SparsityReport.finite(variance.explainedVariance()),
        Objects.requireNonNull(variance.forms()),
        SparsityReport.finite(cosines / tokens),
        (double) alive / fired.length,
        (double) dense / fired.length,
        histogram());
  }

  /** Intervals over images, by the number's name; none of texts. */
  Map<String, Jackknife> intervals() {
    return groups.intervals(layout.hasCls() && layout.patches() > 0);
  }

  /** Over the positions from {@code from} to before {@code to}. */
  private double l0(int from, int to) {
    long active = 0;
    long seen = 0;
    for (int p = from; p < to; p++) {
      active += activeAt[p];
      seen += tokensAt[p];
    }
    return (double) active / seen;
  }

  /** Without the positions behind the longest text. */
  private double[][] grid() {
    int at = layout.prefix() - layout.first();
    int columns = layout.columns();
    while (layout.rows() == 1 && columns > 1 && tokensAt[at + columns - 1] == 0) columns--;
    double[][] grid = new double[layout.rows()][columns];
    for (double[] row : grid) {
      for (int c = 0; c < row.length; c++, at++) row[c] = l0(at, at + 1);
    }
    return grid;
  }

  private SparsityReport.Histogram histogram() {
    int bins = (int) (-LOWEST * BINS_PER_DECADE);
    double[] edges = new double[bins + 1];
    for (int i = 0; i <= bins; i++) edges[i] = LOWEST + i / BINS_PER_DECADE;
    long[] counts = new long[bins];
    long never = 0;
    for (long count : fired) {
      if (count == 0) {
        never++;
        continue;
      }
      double bin = (Math.log10((double) count / tokens) - LOWEST) * BINS_PER_DECADE;
      counts[(int) Math.clamp(Math.floor(bin), 0, bins - 1)]++;
    }
    return new SparsityReport.Histogram(edges, counts, never);
  }

  /** Mean over coordinates of the cosine between x and x̂ as functions of the token. */
  @Nullable Double cosineByCoordinate() {
    double total = 0;
    for (int j = 0; j < width; j++) total += cosine(xy[j], xx[j], yy[j]);
    return SparsityReport.finite(total / width);
  }
}
