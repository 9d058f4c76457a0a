// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.show;

import static java.util.stream.Collectors.joining;

import io.clipsteer.lab.probe.ImageInterval;
import io.clipsteer.lab.probe.Probe;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.selectivity.ClassEffect;
import io.clipsteer.lab.selectivity.SelectivityReport;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A study of selectivity as text. */
public final class SelectivityText {
  private SelectivityText() {}

  /** A row for each class and scale. */
  public static String of(SelectivityReport report) {
    boolean patches = report.task() == Probe.HeadTask.SEGMENTATION;
    Lines text = new Lines();
    text.add(
        "edits at %s, %s, head on layer %d%s%n",
        report.hookPoint(),
        Counted.of(report.images(), "image"),
        report.headLayer(),
        report.local() ? ": an edit reaches its own patch alone" : "");
    text.add(
        "%-16s %5s %8s %7s  %-22s %6s %6s  %-22s %-24s %7s%n",
        "class",
        "scale",
        "feature",
        patches ? "patches" : "images",
        "target change T",
        "O on",
        "O off",
        "T - O",
        "best control",
        "p (Holm)");
    for (ClassEffect one : report.classes()) row(text, one);
    report.notStudied().forEach((name, reason) -> text.add("%s: %s%n", name, reason));
    means(text, report.classes());
    text.add(
        "T: share of %s answered with the class that change; O: of the others, where the feature"
            + " is active and where it is not. Each class's controls move every token as far; p"
            + " ranks T - O among the random ones.%n",
        patches ? "patches" : "images");
    return text.toString();
  }

  private static void row(Lines text, ClassEffect one) {
    var best =
        one.controls().entrySet().stream()
            .max(Comparator.comparingDouble(entry -> entry.getValue().most()))
            .orElseThrow();
    text.add(
        "%-16s %5.3g %8s %7d  %-22s %6s %6s  %-22s %-24s %7.2g%n",
        one.name(),
        one.scale(),
        one.features().size() == 1
            ? one.features().getFirst().toString()
            : "set of " + one.features().size(),
        one.n(),
        one.images() == 1
            ? Lines.of("%.2f (one image)", one.targetChange().value())
            : interval(one.targetChange()),
        share(one.otherChangeOn()),
        share(one.otherChangeOff()),
        interval(one.difference()),
        Lines.of("%.2f %s", best.getValue().most(), word(best.getKey())),
        Objects.requireNonNullElse(one.pHolm(), one.p()));
    if (one.destinations().isEmpty()) return;
    text.add(
        "%17s to %s%n",
        "",
        one.destinations().stream()
            .map(d -> Lines.of("%s %.0f %%", d.name(), 100 * d.share()))
            .collect(joining(", ")));
  }

  private static void means(Lines text, List<ClassEffect> effects) {
    for (double scale : effects.stream().mapToDouble(ClassEffect::scale).distinct().toArray()) {
      List<ClassEffect> mine = effects.stream().filter(e -> e.scale() == scale).toList();
      text.add(
          "scale %.3g, mean of %s: T %.2f, O %.2f; T - O above every control for %d%n",
          scale,
          Counted.of(mine.size(), "class", "classes"),
          mine.stream().mapToDouble(e -> e.targetChange().value()).average().orElse(0),
          mine.stream().mapToDouble(ClassEffect::otherChange).average().orElse(0),
          mine.stream().filter(SelectivityText::isAboveAll).count());
    }
  }

  private static boolean isAboveAll(ClassEffect one) {
    return one.controls().values().stream().allMatch(c -> one.difference().value() > c.most());
  }

  private static String word(ClassEffect.ControlKind kind) {
    return switch (kind) {
      case RANDOM_DIRECTIONS -> "random direction";
      case RANDOM_FEATURES -> "other feature";
      case NEURONS -> "neuron";
      case CLASS_MEAN -> "class mean";
      case UNTRAINED -> "untrained SAE";
    };
  }

  private static String interval(ImageInterval value) {
    return Lines.of("%.2f (%.2f to %.2f)", value.value(), value.low(), value.high());
  }

  private static String share(@Nullable Double value) {
    return value == null ? "-" : Lines.of("%.2f", value);
  }
}
