// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.show;

import io.clipsteer.data.stats.Paired;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.suppress.EditEffect;
import io.clipsteer.lab.suppress.Stability;
import io.clipsteer.lab.suppress.SuppressionJson;
import io.clipsteer.lab.suppress.SuppressionReport;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A suppression's result as {@code suppress} and {@code defend} print it. */
public final class SuppressionText {
  /** Features whose reasons are printed; report.json has all. */
  private static final int REASONS = 5;

  private final Lines text = new Lines();

  private SuppressionText() {}

  /** The whole result. */
  public static String of(SuppressionReport report) {
    SuppressionText lines = new SuppressionText();
    lines.edit(report);
    SuppressionJson json = report.json();
    lines.groups(json.groups());
    lines.row(SuppressionJson.Group.of("all", report.test().overall()));
    Paired clean = report.test().clean();
    if (clean.n() > 0) lines.row(SuppressionJson.Group.of("clean set", clean));
    lines.worstGroup(json.accuracy(), json.harm());
    lines.reasons(json.selected().reasons());
    lines.baselines(json);
    if (json.against() != null) lines.against(json.against());
    if (!json.combined().isEmpty()) lines.defences(json);
    SuppressionJson.Defence defence = json.defence();
    if (defence != null) lines.wonBack(defence.wonBack());
    return lines.text.toString();
  }

  /** The effect of an edit of named units. */
  public static String of(EditEffect effect) {
    SuppressionText lines = new SuppressionText();
    lines.groups(effect.groups());
    lines.row(effect.overall());
    SuppressionJson.Group clean = effect.clean();
    if (clean != null) lines.row(clean);
    lines.text.add(
        "%nworst group %.1f %% -> %.1f %%%n",
        100 * effect.worstBefore(), 100 * effect.worstAfter());
    if (!effect.controls().isEmpty()) lines.header("worst before");
    effect.controls().forEach(lines::baseline);
    return lines.text.toString();
  }

  private void edit(SuppressionReport report) {
    SuppressionReport.Chosen chosen = report.chosen();
    if (chosen == null) {
      text.add("%s%n", report.whyNothing());
      return;
    }
    text.add(
        "layer %d, %s: %s, %s%s on %s tokens: %s%n",
        chosen.layer(),
        chosen.sae(),
        Counted.of(chosen.features().length, "feature"),
        report.settings().change(),
        chosen.rule().times(chosen.features().length),
        chosen.tokens(),
        Arrays.toString(chosen.features()));
    if (report.stability() != null) text.add("%s%n", stability(report.stability()));
  }

  private static String stability(Stability stability) {
    return Lines.of(
        "%d bootstrap samples of the validation images: %d select an edit of this SAE, %d this"
            + " edit",
        stability.samples(), stability.sameSae(), stability.sameEdit());
  }

  private void groups(List<SuppressionJson.Group> groups) {
    text.add("%n%-34s %6s %8s %8s  %s%n", "group", "n", "before", "after", "p");
    groups.forEach(this::row);
  }

  private void row(SuppressionJson.Group group) {
    text.add(
        "%-34s %6d %6.1f %% %6.1f %%  %s%n",
        group.group(),
        group.n(),
        100 * group.before().value(),
        100 * group.after().value(),
        p(group.p()));
  }

  private void worstGroup(SuppressionJson.Accuracy accuracy, double harm) {
    text.add(
        "%nworst group %.1f %% -> %.1f %% (%.1f to %.1f); gain %.1f to %.1f points; p %s of"
            + " \"%s\"; harm %.1f points, summed over the groups that lose%n",
        100 * accuracy.baselineWga(),
        100 * accuracy.editedWga(),
        100 * accuracy.wgaLow(),
        100 * accuracy.wgaHigh(),
        100 * accuracy.gainLow(),
        100 * accuracy.gainHigh(),
        p(accuracy.mcnemarP()),
        accuracy.worstGroup(),
        harm);
  }

  private void reasons(List<SuppressionReport.Reason> reasons) {
    if (reasons.isEmpty()) return;
    text.add(
        "%nfeature  mean with  without  becomes  times  margin rises by (logits, this feature"
            + " alone, whole change)%n");
    for (SuppressionReport.Reason one : reasons.subList(0, Math.min(REASONS, reasons.size()))) {
      text.add(
          "%7d  %9.3g  %7.3g  %7.3g  %5.2f  %+.3g%n",
          one.feature(),
          one.meanWith(),
          one.meanWithout(),
          one.value(),
          one.strength(),
          one.marginRise());
    }
    if (reasons.size() > REASONS) {
      text.add("%7s  %d more: report.json%n", "", reasons.size() - REASONS);
    }
  }

  private void baselines(SuppressionJson json) {
    if (!json.baselines().isEmpty()) header(json.accuracy().worstGroup());
    json.baselines().forEach(this::baseline);
    json.baselinesSkipped().forEach((name, why) -> text.add("%-30s skipped: %s%n", name, why));
  }

  private void header(String worst) {
    text.add(
        "%n%-30s %9s %9s  %-9s %7s %7s  %s%n",
        "baseline", "worst", "group*", "p of *", "all", "harm", "layer, size, edit");
    text.add("* the group \"%s\"; harm: points lost, summed over the groups that lose%n", worst);
  }

  private void baseline(SuppressionReport.Baseline one) {
    text.add(
        "%-30s %7.1f %% %7.1f %%  %-9s %5.1f %% %7.1f  %d, %d, %s%n",
        one.name(),
        100 * one.wga(),
        100 * one.inWorstGroup(),
        p(one.p()),
        100 * one.overall(),
        one.harm(),
        one.layer(),
        one.size(),
        one.edit());
  }

  private void against(SuppressionReport.Against one) {
    text.add(
        "%nfeatures against the best baseline, %s: worst group %+.1f points (%.1f to %.1f), p %s;"
            + " all images %+.1f points%n",
        one.baseline(),
        100 * one.difference(),
        100 * one.low(),
        100 * one.high(),
        p(one.p()),
        100 * one.overall());
  }

  private void defences(SuppressionJson json) {
    text.add("%n%-34s %9s %9s  %s%n", "defence", "clean", "attacked", "p");
    for (SuppressionReport.Defended one : json.combined()) {
      text.add(
          "%-34s %7.1f %% %7.1f %%  %s%n",
          one.name(), 100 * one.clean().value(), 100 * one.attacked().value(), p(one.p()));
    }
  }

  private void wonBack(@Nullable Double part) {
    if (part == null) text.add("%nthe writing costs no accuracy: there is nothing to restore%n");
    else
      text.add("%nthe edit restores %.0f %% of the accuracy that the writing costs%n", 100 * part);
  }

  /** A p-value; {@code < 1e-300} where it is too small for a double. */
  public static String p(double p) {
    return p == 0 ? "< 1e-300" : Lines.of("%.2g", p);
  }
}
