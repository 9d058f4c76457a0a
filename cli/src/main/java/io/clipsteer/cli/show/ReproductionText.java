// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.show;

import io.clipsteer.lab.reproduce.ComparedRow;
import io.clipsteer.lab.reproduce.Figure;
import io.clipsteer.lab.reproduce.PublishedRow;
import io.clipsteer.lab.reproduce.Reproduction;
import io.clipsteer.lab.reproduce.Verdict;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/** The result of {@code reproduce} as text. */
public final class ReproductionText {
  private ReproductionText() {}

  /** Rows with a number of ours, and how many have none for which reason. */
  public static String of(Reproduction result, Path out) {
    Lines text = new Lines();
    text.add("%s%n%s%n", result.title(), result.shape());
    if (result.scale() != 1) {
      text.add("Images, tokens and steps are %s times the paper's.%n", result.scale());
    }
    text.add("%n%-26s %14s %26s  %s%n", "number", "published", "ours (95 %)", "verdict");
    Map<String, Integer> reasons = new LinkedHashMap<>();
    for (ComparedRow row : result.rows()) {
      if (row.ours() == null) reasons.merge(row.note(), 1, Integer::sum);
      else text.add("%s%n", line(row, row.ours()));
    }
    if (!reasons.isEmpty()) text.add("%nnot measured%n");
    reasons.forEach((reason, count) -> text.add("%5d  %s%n", count, reason));
    String counts =
        result.verdicts().entrySet().stream()
            .filter(entry -> entry.getValue() > 0)
            .map(entry -> entry.getValue() + " " + entry.getKey().words())
            .collect(Collectors.joining(", "));
    return text.add("%n%s; the page: %s%n", counts, out.resolve("reproduction.html")).toString();
  }

  private static String line(ComparedRow row, Figure ours) {
    boolean share = row.published().kind() == PublishedRow.NumberKind.SHARE;
    String interval =
        ours.low() == null || ours.high() == null
            ? ""
            : " (" + number(ours.low(), share) + " to " + number(ours.high(), share) + ")";
    String verdict = row.verdict() == Verdict.NOTHING_PUBLISHED ? "" : row.verdict().words();
    return Lines.of(
        "%-26s %14s %26s  %s",
        row.published().id(),
        published(row.published(), share),
        number(ours.value(), share) + interval,
        verdict);
  }

  private static String published(PublishedRow row, boolean share) {
    if (row.value() != null) return number(row.value(), share);
    if (row.low() != null && row.high() != null) {
      return number(row.low(), share) + " to " + number(row.high(), share);
    }
    return row.low() != null ? "from " + number(row.low(), share) : "words";
  }

  private static String number(double value, boolean share) {
    return share ? Lines.of("%.1f %%", 100 * value) : Lines.of("%.4g", value);
  }
}
