// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * The tokens that an SAE reads: their mean, and which tokens and coordinates are massive. A massive
 * token is longer than 5 times the median token; a massive coordinate has more than 20 times the
 * mean variance of a coordinate. (Sun et al. 2024 call a single activation massive above 100 and
 * 1,000 times the median magnitude. Tokens that hold nearly all variance can miss that rule.) Sums
 * are double; for one thread.
 */
public final class TokenStatistics {
  /** Length of a massive token, in median lengths. */
  public static final double MASSIVE_LENGTH = 5;

  /** Variance of a massive coordinate, in mean variances. */
  public static final double MASSIVE_VARIANCE = 20;

  private final MeanToken mean;
  private final double[] origin;
  private final double[] offsets;
  private final double[] squares;
  private final QuantileTally lengths = new QuantileTally();

  /** No token yet. */
  public TokenStatistics(int width) {
    mean = new MeanToken(width);
    origin = new double[width];
    offsets = new double[width];
    squares = new double[width];
  }

  /**
   * Adds tokens.
   *
   * @param rows row-major [n,d]
   */
  public void add(float[] rows) {
    int width = origin.length;
    // Sums are about the first token: about 0 they would drown the variance of tokens far from it.
    if (tokens() == 0 && rows.length > 0) Arrays.setAll(origin, j -> rows[j]);
    mean.add(rows);
    for (int at = 0; at < rows.length; at += width) {
      double length = 0;
      for (int j = 0; j < width; j++) {
        double value = rows[at + j];
        double off = value - origin[j];
        offsets[j] += off;
        squares[j] += off * off;
        length += value * value;
      }
      lengths.add(Math.sqrt(length));
    }
  }

  /** Adds the tokens of others, whose sums are moved to this first token. */
  public void add(TokenStatistics next) {
    if (next.tokens() == 0) return;
    if (tokens() == 0) System.arraycopy(next.origin, 0, origin, 0, origin.length);
    for (int j = 0; j < origin.length; j++) {
      double away = next.origin[j] - origin[j];
      squares[j] += next.squares[j] + away * (2 * next.offsets[j] + next.tokens() * away);
      offsets[j] += next.offsets[j] + next.tokens() * away;
    }
    mean.add(next.mean);
    lengths.add(next.lengths);
  }

  /** Moves the state to a stream or from it. */
  public void move(StatePort port) {
    mean.move(port);
    port.doubles(origin);
    port.doubles(offsets);
    port.doubles(squares);
    lengths.move(port);
  }

  /** Dimensions d of a token. */
  public int width() {
    return origin.length;
  }

  /** Number of tokens. */
  public long tokens() {
    return mean.tokens();
  }

  /** Their mean. */
  public MeanToken mean() {
    return mean;
  }

  /** Length above which a token is massive. */
  public double massiveLength() {
    return MASSIVE_LENGTH * lengths.median();
  }

  /** The massive coordinates, ascending; never more than a twentieth of all. */
  public int[] massiveCoordinates() {
    double[] variances = new double[origin.length];
    Arrays.setAll(variances, j -> squares[j] - offsets[j] * offsets[j] / tokens());
    double most = MASSIVE_VARIANCE * Arrays.stream(variances).average().orElse(0);
    return IntStream.range(0, variances.length).filter(j -> variances[j] > most).toArray();
  }
}
