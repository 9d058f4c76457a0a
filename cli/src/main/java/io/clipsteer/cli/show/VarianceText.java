// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.show;

import io.clipsteer.lab.run.VarianceForms;
import org.jspecify.annotations.Nullable;

/** The forms of explained variance as columns of a table: always together. */
public final class VarianceText {
  private static final String HEAD = "%8s %8s %8s %8s";

  /** The columns' headings. */
  public static final String HEADS = Lines.of(HEAD, "EV", "EV token", "median", "ordinary");

  /** What the columns are, for the line below a table. */
  public static final String LEGEND =
      "EV: ratio of sums; EV token, median: mean and median over tokens; ordinary: without massive"
          + " tokens and coordinates";

  private VarianceText() {}

  /** The columns of one SAE. */
  public static String cells(@Nullable Double ratio, @Nullable VarianceForms forms) {
    return Lines.of(
        HEAD,
        cell(ratio),
        cell(forms == null ? null : forms.tokenMean()),
        cell(forms == null ? null : forms.tokenMedian()),
        cell(forms == null ? null : forms.ordinary()));
  }

  private static String cell(@Nullable Double value) {
    return Lines.orDash("%.4f", value);
  }
}
