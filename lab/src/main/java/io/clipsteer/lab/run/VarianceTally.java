// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The explained variance of reconstructions, in all its forms. Sums are double and memory does not
 * depend on the number of tokens; for one thread.
 */
public final class VarianceTally {
  /** Forms that need to know the tokens beforehand. */
  private static final class Parts {
    private final double[] mean;
    private final double massiveLength;
    private final int[] massiveCoordinates;
    private final boolean[] isMassive;
    private final double[] ordinaryOffsets;
    private final QuantileTally unexplained = new QuantileTally();
    private final QuantileTally spreads = new QuantileTally();
    private double perToken;
    private long perTokenCount;
    private double spread;
    private double massiveSpread;
    private long massive;
    private double ordinaryError;
    private double ordinarySquares;

    Parts(TokenStatistics statistics) {
      mean = statistics.mean().mean();
      massiveLength = statistics.massiveLength();
      massiveCoordinates = statistics.massiveCoordinates();
      isMassive = new boolean[mean.length];
      for (int j : massiveCoordinates) isMassive[j] = true;
      ordinaryOffsets = new double[mean.length];
    }

    void add(float[] x, float[] y, int at) {
      double gap = 0;
      double away = 0;
      double square = 0;
      for (int j = 0; j < mean.length; j++) {
        double a = x[at + j];
        double miss = a - y[at + j];
        double off = a - mean[j];
        gap += miss * miss;
        away += off * off;
        square += a * a;
      }
      spread += away;
      spreads.add(away);
      if (away > 0) {
        perToken += 1 - gap / away;
        perTokenCount++;
        unexplained.add(gap / away);
      }
      if (Math.sqrt(square) > massiveLength) {
        massive++;
        massiveSpread += away;
        return;
      }
      for (int j = 0; j < mean.length; j++) {
        if (isMassive[j]) continue;
        double miss = (double) x[at + j] - y[at + j];
        double off = x[at + j] - mean[j];
        ordinaryError += miss * miss;
        ordinaryOffsets[j] += off;
        ordinarySquares += off * off;
      }
    }

    void add(Parts next) {
      unexplained.add(next.unexplained);
      spreads.add(next.spreads);
      perToken += next.perToken;
      perTokenCount += next.perTokenCount;
      spread += next.spread;
      massiveSpread += next.massiveSpread;
      massive += next.massive;
      ordinaryError += next.ordinaryError;
      ordinarySquares += next.ordinarySquares;
      for (int j = 0; j < mean.length; j++) ordinaryOffsets[j] += next.ordinaryOffsets[j];
    }

    void move(StatePort port) {
      unexplained.move(port);
      spreads.move(port);
      perToken = port.number(perToken);
      perTokenCount = port.number(perTokenCount);
      spread = port.number(spread);
      massiveSpread = port.number(massiveSpread);
      massive = port.number(massive);
      ordinaryError = port.number(ordinaryError);
      ordinarySquares = port.number(ordinarySquares);
      port.doubles(ordinaryOffsets);
    }

    VarianceForms result(long tokens) {
      double variance = about(ordinarySquares, ordinaryOffsets, tokens - massive);
      return new VarianceForms(
          finite(perToken / perTokenCount),
          finite(1 - unexplained.median()),
          variance > 0 ? finite(1 - ordinaryError / variance) : null,
          (double) massive / tokens,
          Arrays.stream(massiveCoordinates).boxed().toList(),
          finite(massiveSpread / spread),
          finite(spreads.topShare(VarianceForms.TOP)));
    }
  }

  private final double[] origin;
  private final double[] offsets;
  private final @Nullable Parts parts;
  private long tokens;
  private double squares;
  private double error;

  /** For the ratio of sums alone. */
  public VarianceTally(int width) {
    this(width, null);
  }

  /**
   * No token yet.
   *
   * @param statistics of all tokens that will be added; null for the ratio of sums alone
   */
  VarianceTally(int width, @Nullable TokenStatistics statistics) {
    origin = new double[width];
    offsets = new double[width];
    parts = statistics == null ? null : new Parts(statistics);
  }

  /** For all forms: no token yet, of those that {@code statistics} has. */
  public VarianceTally(TokenStatistics statistics) {
    this(statistics.width(), statistics);
  }

  /**
   * Adds tokens.
   *
   * @param x what the SAE read, row-major [n,d]
   * @param y its reconstruction, row-major [n,d]
   */
  public void add(float[] x, float[] y) {
    int width = origin.length;
    // Sums are about the first token: about 0 they would drown the variance of tokens far from it.
    if (tokens == 0 && x.length > 0) Arrays.setAll(origin, j -> x[j]);
    for (int at = 0; at < x.length; at += width) {
      for (int j = 0; j < width; j++) {
        double off = x[at + j] - origin[j];
        double miss = (double) x[at + j] - y[at + j];
        offsets[j] += off;
        squares += off * off;
        error += miss * miss;
      }
      if (parts != null) parts.add(x, y, at);
    }
    tokens += x.length / width;
  }

  /**
   * Adds the tokens of another tally with the same statistics, whose sums are moved to this first
   * token.
   */
  public void add(VarianceTally next) {
    if (next.tokens == 0) return;
    if (tokens == 0) System.arraycopy(next.origin, 0, origin, 0, origin.length);
    squares += next.squares;
    for (int j = 0; j < origin.length; j++) {
      double away = next.origin[j] - origin[j];
      squares += away * (2 * next.offsets[j] + next.tokens * away);
      offsets[j] += next.offsets[j] + next.tokens * away;
    }
    error += next.error;
    tokens += next.tokens;
    if (parts != null && next.parts != null) parts.add(next.parts);
  }

  /** Moves the state to a stream or from it; the statistics stay this tally's own. */
  public void move(StatePort port) {
    port.doubles(origin);
    port.doubles(offsets);
    tokens = port.number(tokens);
    squares = port.number(squares);
    error = port.number(error);
    if (parts != null) parts.move(port);
  }

  /** {@code 1 − Σ‖x−x̂‖²/Σ‖x−x̄‖²}, x̄ the tokens' mean; NaN where they are all the same. */
  public double explainedVariance() {
    double variance = about(squares, offsets, tokens);
    return variance > 0 ? 1 - error / variance : Double.NaN;
  }

  /** All other forms; null without statistics. */
  public @Nullable VarianceForms forms() {
    return parts == null ? null : parts.result(tokens);
  }

  /** Squares about the mean, from squares and offsets about another point. */
  private static double about(double squares, double[] offsets, long n) {
    double variance = squares;
    for (double offset : offsets) variance -= offset * offset / n;
    return variance;
  }

  private static @Nullable Double finite(double value) {
    return Double.isFinite(value) ? value : null;
  }
}
