// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.show;

import static java.util.stream.Collectors.joining;

import io.clipsteer.cli.report.EvaluationPage;
import io.clipsteer.lab.evaluate.SparsityReport;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.RunFolder;
import java.nio.file.Path;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** A sparsity report as text. */
public final class EvaluationText {
  private static final int BAR = 40;

  /** Runs of more SAEs get maps and histograms on the page alone. */
  private static final int MAPPED = 4;

  private final Lines text = new Lines();

  private EvaluationText() {}

  /** Tables over the run's SAEs, then a map and a histogram of each. */
  public static String of(Path run, SparsityReport report) {
    var page = new EvaluationText();
    String unit = report.texts() ? "text" : "image";
    page.line("%s on %s: %s", run, report.source(), Counted.of(report.images(), unit));
    if (!report.skipped().isEmpty()) page.line("%d skipped", report.skipped().size());
    page.sparsity(report);
    page.line("%s.", EvaluationPage.PUBLISHED);
    page.answers(report);
    page.legacy(report);
    if (report.saes().size() <= MAPPED) {
      for (var entry : report.saes()) {
        page.grid(entry, report.texts());
        page.histogram(entry);
      }
    }
    page.line("");
    page.line(
        "written: %s, %s", new RunFolder(run).evaluation(), new RunFolder(run).evaluationPage());
    if (!report.notes().isEmpty()) page.line("");
    for (String note : report.notes()) page.line("%s.", note);
    return page.text.toString();
  }

  /** An SAE's name, unique in its run. */
  static String name(SparsityReport.MeasuredSae entry) {
    var sae = entry.sae();
    return sae.hookPoint() + " " + sae.variant() + " (" + sae.tokens() + ")";
  }

  private void line(String format, @Nullable Object... values) {
    text.add("%s%n", Lines.of(format, values).stripTrailing());
  }

  private void sparsity(SparsityReport report) {
    line("");
    line(
        "%-28s %-22s %-8s %11s %8s %8s %8s %s %8s %8s %8s %8s",
        "hook point",
        "SAE",
        "reads",
        "tokens",
        "L0",
        report.texts() ? "end" : "CLS",
        report.texts() ? "others" : "patches",
        VarianceText.HEADS,
        "cosine",
        "alive",
        "dead",
        "dense");
    for (var entry : report.saes()) {
      var s = entry.sparsity();
      line(
          "%-28s %-22s %-8s %,11d %8.1f %8s %8s %s %8s %8s %8s %8s",
          entry.sae().hookPoint(),
          entry.sae().variant(),
          entry.sae().tokens(),
          s.tokens(),
          s.l0(),
          Lines.orDash("%.1f", s.l0Cls()),
          Lines.orDash("%.1f", s.l0Patches()),
          VarianceText.cells(s.explainedVariance(), s.variance()),
          Lines.orDash("%.4f", s.cosine()),
          percent(s.alive()),
          percent(1 - s.alive()),
          percent(s.dense()));
    }
    line("%s.", VarianceText.LEGEND);
  }

  private void answers(SparsityReport report) {
    boolean first = true;
    for (var entry : report.saes()) {
      var a = entry.zeroShot();
      if (a == null) continue;
      if (first) {
        first = false;
        line("");
        line(
            "zero-shot, %s, %s: cross-entropy (nats) and accuracy",
            Counted.of(a.images(), "image"), Counted.of(a.classes(), "class", "classes"));
        line(
            "%-56s %16s %16s %16s %16s   %s",
            "SAE", "original", "x̂", "mean", "zero", "CE recovered (mean, zero)");
      }
      line(
          "%-56s %16s %16s %16s %16s   %s, %s",
          name(entry),
          quality(a.original()),
          quality(a.spliced()),
          quality(a.meanAblated()),
          quality(a.zeroAblated()),
          recovered(a.ceRecovered().meanAblation()),
          recovered(a.ceRecovered().zeroAblation()));
    }
  }

  private void legacy(SparsityReport report) {
    boolean first = true;
    for (var entry : report.saes()) {
      var l = entry.legacy();
      if (l == null) continue;
      if (first) {
        first = false;
        line("");
        line("as the reference implementation computes them (cosines unscaled, zero ablation)");
        line(
            "%-56s %10s %10s %10s %10s %10s   %s",
            "SAE", "EV", "cosine", "CE", "CE x̂", "CE zero", "CE recovered");
      }
      line(
          "%-56s %10s %10s %10s %10s %10s   %s",
          name(entry),
          Lines.orDash("%.4f", l.explainedVariance()),
          Lines.orDash("%.4f", l.cosine()),
          Lines.orDash("%.4f", l.crossEntropy()),
          Lines.orDash("%.4f", l.crossEntropySpliced()),
          Lines.orDash("%.4f", l.crossEntropyZeroAblated()),
          recovered(l.ceRecovered()));
    }
  }

  private void grid(SparsityReport.MeasuredSae entry, boolean texts) {
    double[][] grid = entry.sparsity().l0Grid();
    if (grid == null) return;
    line("");
    double[] distinct = Arrays.stream(grid).flatMapToDouble(Arrays::stream).distinct().toArray();
    if (distinct.length == 1) {
      line(
          "%s: L0 is %.1f on all %s", name(entry), distinct[0], texts ? "other tokens" : "patches");
      return;
    }
    line("%s: %s", name(entry), texts ? "L0 by position in the text" : "L0 over the patch grid");
    for (double[] row : grid) {
      line("%s", Arrays.stream(row).mapToObj(l0 -> Lines.of(" %7.1f", l0)).collect(joining()));
    }
  }

  private void histogram(SparsityReport.MeasuredSae entry) {
    var h = entry.sparsity().histogram();
    long most = Math.max(1, Math.max(h.never(), Arrays.stream(h.counts()).max().orElse(0)));
    line("");
    line("%s: features by log10 of their frequency", name(entry));
    line("%15s %9d %s", "never", h.never(), bar(h.never(), most));
    for (int i = 0; i < h.counts().length; i++) {
      if (h.counts()[i] == 0) continue;
      String range = Lines.of("%.2f to %.2f", h.bins()[i], h.bins()[i + 1]);
      line("%15s %9d %s", range, h.counts()[i], bar(h.counts()[i], most));
    }
  }

  private static String bar(long count, long most) {
    return "#".repeat(count == 0 ? 0 : (int) Math.max(1, BAR * count / most));
  }

  private static String quality(SparsityReport.Quality quality) {
    return Lines.orDash("%.4f", quality.crossEntropy()) + " " + percent(quality.accuracy());
  }

  static String percent(double share) {
    return Lines.of("%.1f %%", 100 * share);
  }

  static String recovered(@Nullable Double share) {
    return share == null ? "–" : Lines.of("%.2f %%", 100 * share);
  }
}
