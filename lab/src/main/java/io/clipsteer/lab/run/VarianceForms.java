// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Explained variance where each token, or each ordinary token, has its weight, beside the ratio of
 * sums that few massive tokens may decide. A quotient by zero is null. {@link TokenStatistics}
 * defines massive.
 *
 * @param tokenMean mean over tokens of {@code 1 − ‖x−x̂‖²/‖x−x̄‖²}
 * @param tokenMedian their median
 * @param ordinary the ratio of sums over the tokens and coordinates that are not massive, about
 *     these tokens' mean
 * @param massiveTokens share of the tokens that are massive
 * @param massiveCoordinates the coordinates that are massive
 * @param massiveShare share of {@code Σ‖x−x̄‖²} that massive tokens have
 * @param topShare share of it that the {@link #TOP} of all tokens farthest from x̄ have
 */
public record VarianceForms(
    @Nullable Double tokenMean,
    @Nullable Double tokenMedian,
    @Nullable Double ordinary,
    double massiveTokens,
    List<Integer> massiveCoordinates,
    @Nullable Double massiveShare,
    @Nullable Double topShare) {
  /** Share of the tokens that {@code topShare} is about. */
  public static final double TOP = 0.05;

  /** A larger {@code topShare} means that the ratio of sums is about few tokens. */
  private static final double DOMINATED = 0.5;

  /**
   * The warning for tokens whose ratio of sums is about few of them, without a full stop; null for
   * others.
   *
   * @param where the tokens are from
   */
  public @Nullable String warning(Object where) {
    if (topShare == null || !(topShare > DOMINATED)) return null;
    return String.format(
        Locale.ROOT,
        "%.0f %% of the tokens at %s have %.1f %% of the variance: the ratio of sums is about these"
            + " tokens alone, the forms per token and over ordinary tokens are about all",
        100 * TOP,
        where,
        100 * topShare);
  }
}
