// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.show;

import io.clipsteer.lab.cue.CueReport;
import io.clipsteer.lab.cue.CueResult;
import java.util.Locale;

/** Planted-cue studies as {@code study injected-cue} prints them. */
public final class CueText {
  private static final String DIRECTION = "mean-difference direction";

  private CueText() {}

  /** A row for each study, and the trend over them. */
  public static String of(CueReport report) {
    StringBuilder text =
        new StringBuilder(
            "cue    reliance  after     fall   label     after  yes, no cue  after  features "
                + " layer  mean difference\n");
    for (CueResult one : report.studies()) text.append(row(one));
    text.append(
        "reliance: accuracy where the cue agrees with the label minus where it does not; yes, no"
            + " cue: share of unedited images without the cue that the probe answers yes, and"
            + " after: share of all edited images\n");
    CueResult.Trend trend = report.bestLayerAgainstLog2Size();
    if (trend != null) {
      text.append(
          line(
              "best layer: %.2f (%.2f to %.2f) layers later for each doubling of the cue's side,"
                  + " %d studies%n",
              trend.slope(), trend.low(), trend.high(), trend.studies()));
    }
    return text.toString();
  }

  private static String row(CueResult one) {
    Double fall = one.relianceFall();
    CueResult.ProbeScore projected = one.baselines().get(DIRECTION);
    return line(
        "%5.3f  %8.3f  %5.3f  %7s  %5.3f     %5.3f  %11.3f  %5.3f  %8d  %5s  %s%n",
        one.size(),
        one.relianceBefore(),
        one.relianceAfter(),
        fall == null ? "–" : line("%.0f %%", 100 * fall),
        one.accuracyBefore(),
        one.accuracyAfter(),
        one.yesWithoutCue(),
        one.yesAfter(),
        one.features(),
        one.layer() == null ? "–" : one.layer().toString(),
        projected == null ? "–" : line("%.3f", projected.reliance()));
  }

  private static String line(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
