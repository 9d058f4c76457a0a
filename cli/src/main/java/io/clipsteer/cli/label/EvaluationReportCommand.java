// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.label;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.report.LabelsPage;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.stats.Bootstrap;
import io.clipsteer.lab.label.FeatureMean;
import io.clipsteer.lab.label.LabelReport;
import io.clipsteer.lab.run.Counted;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code labels report}: accuracies, differences to controls, agreement. */
@Command(
    name = "report",
    description = {
      "Report a human evaluation: accuracies with intervals, differences to the controls,"
          + " agreement of the annotators, and how the index's scores go with them.",
      "An annotator counts with 80 %% of the catch trials right and a median answer of a second or"
          + " more. The first answer to a trial counts."
    },
    footer = "Example: clipsteer labels report --labels study --out study.html")
final class EvaluationReportCommand implements Runnable {
  @Mixin private CommonOptions common;
  @Mixin private StudyOption study;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description =
          "Also write an HTML page that works offline; only an earlier one is overwritten.")
  private @Nullable Path out;

  @Override
  public void run() {
    common.applyOnCpu();
    if (out != null) LabelsPage.checkWritable(out);
    LabelsPage.LabelsResult result = LabelsPage.read(study.folder());
    for (String one : study.folder().torn()) {
      System.err.println(
          "the file of "
              + one
              + " ends within an answer, which is not counted: it was stopped or cut");
    }
    if (out != null) LabelsPage.write(out, result);
    common.print(result.report(), text(result.report()));
  }

  private static String text(LabelReport report) {
    Lines text = new Lines();
    text.add("%s%n", Counted.of(report.counted().size(), "annotator"));
    for (var one : report.annotators()) {
      if (one.excluded() == null) continue;
      text.add("not counted: %s, %s%n", one.annotator(), one.excluded());
    }
    text.add(
        "%n%-13s %-13s %9s %19s   %s%n",
        "accuracy", "unit", "", "95 % interval", "features less this, points");
    for (var one : report.results()) {
      text.add(
          "%-13s %-13s %9s %19s   %s%n",
          one.task() + (one.hard() ? ", hard" : ""),
          one.kind(),
          percent(one.accuracy().value()),
          interval(one.accuracy()),
          difference(one.difference()));
    }
    for (var one : report.oneIdea()) {
      text.add(
          "%-13s %-13s %9s %19s   %s%n",
          "one idea",
          one.kind(),
          percent(one.share().value()),
          interval(one.share()),
          difference(one.difference()));
    }
    text.add(
        "%n%-40s %6s %8s %8s %9s %17s%n",
        "agreement", "items", "raw", "largest", "alpha", "95 % interval");
    for (var one : report.agreements()) {
      text.add(
          "%-40s %6d %8s %8s %9s %17s%n",
          one.what(),
          one.items(),
          percent(one.raw()),
          percent(one.prevalence()),
          Lines.orDash("%.3f", one.alpha()),
          one.interval() == null
              ? "not defined"
              : Lines.of("%.3f to %.3f", one.interval().low(), one.interval().high()));
    }
    for (var one : report.repeats()) {
      text.add(
          "%-13s shown twice to the same annotator: %s answered alike, %s%n",
          one.task(), percent(one.same()), Counted.of(one.trials(), "trial"));
    }
    if (!report.scores().isEmpty()) {
      text.add("%n%-13s %-24s %9s%n", "accuracy and", "score of the index", "Spearman");
    }
    for (var one : report.scores()) {
      text.add(
          "%-13s %-24s %9.2f   %.2f to %.2f, %s%n",
          one.task(),
          one.score(),
          one.correlation().value(),
          one.correlation().low(),
          one.correlation().high(),
          Counted.of(one.features(), "feature"));
    }
    return text.toString().stripTrailing();
  }

  private static String percent(@Nullable Double value) {
    return value == null ? "–" : Lines.of("%.1f %%", 100 * value);
  }

  private static String interval(FeatureMean mean) {
    Bootstrap interval = mean.interval();
    return interval == null
        ? "not defined"
        : Lines.of("%.1f to %.1f %%", 100 * interval.low(), 100 * interval.high());
  }

  private static String difference(@Nullable FeatureMean difference) {
    if (difference == null || difference.value() == null) return "";
    Bootstrap interval = difference.interval();
    return interval == null
        ? Lines.of("%+.1f (interval not defined)", 100 * difference.value())
        : Lines.of(
            "%+.1f (%+.1f to %+.1f)",
            100 * difference.value(), 100 * interval.low(), 100 * interval.high());
  }
}
