// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.label;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.stats.Bootstrap;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.ProxyTable;
import io.clipsteer.lab.label.FeatureMean;
import io.clipsteer.lab.label.LabelReport;
import io.clipsteer.lab.label.PlanFolder;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.RunFolder;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code labels report}: accuracies, differences to controls, agreement. */
@Command(
    name = "report",
    description = {
      "Report a human evaluation: accuracies with intervals, differences to the controls,"
          + " agreement of the annotators, and how the index's scores go with them.",
      "An annotator counts with 80 % of the catch trials right and a median answer of a second or"
          + " more. The first answer to a trial counts."
    },
    footer = "Example: clipsteer labels report --labels study --json")
final class EvaluationReportCommand implements Runnable {
  @Mixin private CommonOptions common;
  @Mixin private StudyOption study;

  @Override
  public void run() {
    common.applyOnCpu();
    PlanFolder folder = study.folder();
    Path run = Path.of(folder.plan().run());
    // Machines in the place of people, where the plan's run is here and has them.
    LabelReport report =
        LabelReport.of(folder, ProxyTable.scores(IndexFolder.of(new RunFolder(run))));
    common.print(report, text(report));
  }

  private static String text(LabelReport report) {
    Lines text = new Lines();
    text.add("%s%n", Counted.of(report.annotators().size(), "annotator"));
    for (var one : report.excluded()) {
      text.add("not counted: %s, %s%n", one.annotator(), one.reason());
    }
    text.add(
        "%n%-13s %-13s %9s %19s   %s%n",
        "accuracy", "unit", "", "95 % interval", "features less this");
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
    return Lines.of("%+.1f (%s)", 100 * difference.value(), interval(difference));
  }
}
