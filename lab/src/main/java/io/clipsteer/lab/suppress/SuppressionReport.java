// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.stats.McNemar;
import io.clipsteer.data.stats.Paired;
import io.clipsteer.data.stats.Share;
import io.clipsteer.data.stats.SignFlip;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Versions;
import io.clipsteer.lab.study.Study;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What suppression did; every number as docs/metrics.md defines it.
 *
 * @param model path of the checkpoint
 * @param chosen the edit, or null where none was better than doing nothing
 * @param test on test images
 * @param worst the group that was answered worst on validation images, without an edit
 * @param asked its test images
 * @param gain interval of the rise of worst-group accuracy on test images
 * @param validation of the chosen edit, on validation images
 * @param sweep by SAE, on validation images
 * @param leftOut baselines that were not asked
 * @param prefixedTexts the answers' texts with the learnt prefix, or null
 * @param combined Defense-Prefix alone and with the edit; empty where it was not asked for
 */
public record SuppressionReport(
    Study study,
    SuppressionSettings settings,
    String model,
    @Nullable Chosen chosen,
    GroupScore test,
    int worst,
    int asked,
    Paired.Interval gain,
    GroupScore validation,
    List<Swept> sweep,
    List<Baseline> baselines,
    List<LeftOut> leftOut,
    @Nullable TextLibrary prefixedTexts,
    List<Combined> combined,
    List<ImageLoader.Skipped> skipped,
    double seconds) {
  /** The same with further images that were skipped before the study. */
  public SuppressionReport withSkipped(List<ImageLoader.Skipped> more) {
    List<ImageLoader.Skipped> all = new ArrayList<>(more);
    all.addAll(skipped);
    return new SuppressionReport(
        study,
        settings,
        model,
        chosen,
        test,
        worst,
        asked,
        gain,
        validation,
        sweep,
        baselines,
        leftOut,
        prefixedTexts,
        combined,
        List.copyOf(all),
        seconds);
  }

  private static final double ALPHA = 0.05;
  private static final double POWER = 0.8;

  /**
   * The edit that was chosen.
   *
   * @param features numbers, the first taken first
   * @param values what each becomes
   * @param cap whether activations below their values stay
   */
  public record Chosen(
      int layer,
      String hookPoint,
      String tokens,
      String sae,
      int[] features,
      float[] values,
      boolean cap) {
    static Chosen of(Candidate candidate) {
      Edit edit = candidate.edit();
      if (!(edit.target() instanceof Edit.Features features)) {
        throw new IllegalArgumentException("the method changes features");
      }
      return new Chosen(
          candidate.place().point().layer(),
          candidate.place().point().peerName(),
          candidate.place().tokens().text(),
          candidate.sae(),
          features.ids(),
          edit.values(),
          edit.rule() instanceof Rule.Cap);
    }
  }

  /** An SAE's best set on validation images, or none. */
  public record Swept(
      int layer, String sae, @Nullable Choice best, double p, double holm, List<Choice> sizes) {}

  /**
   * A baseline that was not asked.
   *
   * @param name of the baseline
   * @param why in words
   */
  record LeftOut(String name, String why) {}

  /**
   * A defence against written words, on test images.
   *
   * @param name of the defence
   * @param clean accuracy without writing
   * @param attacked accuracy with it
   * @param p of the change that the defence makes to attacked images (exact McNemar)
   */
  record Combined(String name, Share clean, Share attacked, double p) {}

  /**
   * A baseline on test images.
   *
   * @param scores of each draw; one where nothing is drawn
   * @param p of the change in the group that was named: McNemar's where nothing is drawn, else
   *     whether draws change it on average
   */
  public record Baseline(Candidate candidate, List<GroupScore> scores, double p) {
    static Baseline of(Candidate candidate, List<GroupScore> scores, int worst) {
      if (scores.size() == 1)
        return new Baseline(candidate, scores, scores.getFirst().test(worst).p());
      // The draws are what is repeated: one random edit can help, and prove nothing for others.
      double[] changes =
          scores.stream()
              .map(score -> score.groups().get(worst))
              .mapToDouble(g -> g.n() == 0 ? 0 : (double) (g.gained() - g.lost()) / g.n())
              .toArray();
      return new Baseline(candidate, scores, SignFlip.p(changes));
    }

    double wga() {
      return scores.stream().mapToDouble(GroupScore::worstAfter).average().orElseThrow();
    }
  }

  /**
   * Of a study of written words: accuracy without writing ({@code clean}), with it ({@code
   * attacked}), with it and the edit ({@code defended}), without it but with the edit ({@code
   * clean_after}), and {@code won_back}, the part of what the attack costs that the edit gives
   * back; null where the attack costs nothing.
   */
  private Map<String, @Nullable Object> defence() {
    Paired plain = test.groups().get(0);
    Paired written = test.groups().get(1);
    double cost = plain.before().value() - written.before().value();
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("clean", plain.before());
    json.put("attacked", written.before());
    json.put("defended", written.after());
    json.put("clean_after", plain.after());
    json.put(
        "won_back", cost > 0 ? (written.after().value() - written.before().value()) / cost : null);
    json.put("mcnemar_p", test.test(1).p());
    return json;
  }

  private double found() {
    Paired group = validation.groups().get(worst);
    if (group.n() == 0 || asked == 0) return Double.NaN;
    double n = group.n();
    return McNemar.power(asked, group.gained() / n, group.lost() / n, ALPHA);
  }

  /** Smallest rise of the worst group's accuracy that the test would find. */
  private double detectable() {
    Paired group = validation.groups().get(worst);
    if (group.n() == 0 || asked == 0) return Double.NaN;
    double loss = (double) group.lost() / group.n();
    return McNemar.smallestGain(asked, loss, ALPHA, POWER) - loss;
  }

  /** As the command prints it. */
  public Map<String, @Nullable Object> json() {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("protocol", 1);
    json.put("clipsteer", Versions.CLIPSTEER);
    json.put("model", model);
    json.put("data", study.source());
    json.put("dealt", study.dealt());
    Share after = test.worstGroupAfter().after();
    json.put("baseline_wga", test.worstBefore());
    json.put("edited_wga", test.worstAfter());
    json.put("wga_low", after.low());
    json.put("wga_high", after.high());
    json.put("gain_low", gain.low());
    json.put("gain_high", gain.high());
    json.put("worst_group", study.groups().names().get(worst));
    json.put("mcnemar_p", test.test(worst).p());
    json.put("overall_before", test.overall().before().value());
    json.put("overall_after", test.overall().after().value());
    json.put("overall_p", test.overall().test().p());
    json.put("clean_before", test.cleanBefore());
    json.put("clean_after", test.cleanAfter());
    json.put("nothing_chosen", chosen == null ? nothing() : null);
    json.put("layer", chosen == null ? null : chosen.layer);
    json.put("hook_point", chosen == null ? null : chosen.hookPoint);
    json.put("sae", chosen == null ? null : chosen.sae);
    json.put("tokens", chosen == null ? null : chosen.tokens);
    json.put("features", chosen == null ? List.of() : chosen.features);
    json.put("select", settings.select().word());
    json.put("edit", settings.change().word());
    json.put("goal", settings.goal().word());
    json.put("max_clean_loss", settings.maxLoss());
    json.put("groups", groups());
    Map<String, @Nullable Object> power = new LinkedHashMap<>();
    power.put("n", asked);
    power.put("alpha", ALPHA);
    power.put("at_validation_effect", finite(found()));
    power.put("smallest_gain_at_80_percent", finite(detectable()));
    json.put("power", power);
    json.put("baselines", baselines.stream().map(this::baseline).toList());
    json.put("baselines_left_out", leftOut);
    json.put("sweep", sweep.stream().map(this::swept).toList());
    if (study.groups().clean() >= 0) json.put("defence", defence());
    if (!combined.isEmpty()) json.put("combined", combined);
    json.put("skipped", skipped.size());
    json.put("seconds", seconds);
    return json;
  }

  private static @Nullable Double finite(double x) {
    return Double.isFinite(x) ? x : null;
  }

  private List<Map<String, Object>> groups() {
    List<Map<String, Object>> all = new ArrayList<>();
    for (int g = 0; g < study.groups().count(); g++) {
      Paired paired = test.groups().get(g);
      if (paired.n() == 0) continue;
      Map<String, Object> one = new LinkedHashMap<>();
      one.put("group", study.groups().names().get(g));
      one.put("n", paired.n());
      one.put("before", paired.before());
      one.put("after", paired.after());
      one.put("gained", paired.gained());
      one.put("lost", paired.lost());
      one.put("p", paired.test().p());
      all.add(one);
    }
    return all;
  }

  private Map<String, Object> baseline(Baseline baseline) {
    Candidate candidate = baseline.candidate;
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("name", candidate.family().word());
    json.put("wga", baseline.wga());
    json.put("p", baseline.p);
    json.put("layer", candidate.place().point().layer());
    json.put("size", candidate.size());
    json.put("draws", baseline.scores.stream().map(GroupScore::worstAfter).toList());
    json.put(
        "overall",
        baseline.scores.stream()
            .mapToDouble(s -> s.overall().after().value())
            .average()
            .orElseThrow());
    return json;
  }

  private Map<String, @Nullable Object> swept(Swept swept) {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("layer", swept.layer);
    json.put("sae", swept.sae);
    Choice best = swept.best;
    json.put("size", best == null ? 0 : best.candidate().size());
    json.put("wga", best == null ? null : best.score().worstAfter());
    json.put("p", swept.p);
    json.put("p_holm", swept.holm);
    List<Map<String, Object>> sizes = new ArrayList<>();
    for (Choice choice : swept.sizes) {
      Map<String, Object> one = new LinkedHashMap<>();
      one.put("size", choice.candidate().size());
      one.put("wga", choice.score().worstAfter());
      one.put("loss", choice.score().loss());
      if (settings.goal() == SuppressionSettings.Goal.INDEPENDENCE) {
        one.put("dependence", -choice.score().after(settings.goal(), study.groups()));
      }
      sizes.add(one);
    }
    json.put("sizes", sizes);
    return json;
  }

  /** For people. */
  public String text() {
    StringBuilder text = new StringBuilder();
    if (chosen == null) {
      text.append(nothing()).append('\n');
    } else {
      text.append(
          line(
              "layer %d, %s: %s, %s on %s tokens: %s%n",
              chosen.layer,
              chosen.sae,
              Counted.of(chosen.features.length, "feature"),
              settings.change().word(),
              chosen.tokens,
              java.util.Arrays.toString(chosen.features)));
    }
    text.append(line("%n%-34s %6s %8s %8s  %s%n", "group", "n", "before", "after", "p"));
    for (int g = 0; g < study.groups().count(); g++) {
      Paired paired = test.groups().get(g);
      if (paired.n() > 0) row(text, study.groups().names().get(g), paired);
    }
    row(text, "all", test.overall());
    if (test.clean().n() > 0) row(text, "clean set", test.clean());
    Share after = test.worstGroupAfter().after();
    text.append(
        line(
            "%nworst group %.1f %% -> %.1f %% (%.1f to %.1f); gain %.1f to %.1f points; p %s of"
                + " \"%s\"%n",
            100 * test.worstBefore(),
            100 * after.value(),
            100 * after.low(),
            100 * after.high(),
            100 * gain.low(),
            100 * gain.high(),
            shown(test.test(worst).p()),
            study.groups().names().get(worst)));
    for (Baseline baseline : baselines) {
      text.append(
          line(
              "  %-28s %.1f %%   p %s   (layer %d, %d)%n",
              baseline.candidate.family().word(),
              100 * baseline.wga(),
              shown(baseline.p),
              baseline.candidate.place().point().layer(),
              baseline.candidate.size()));
    }
    for (LeftOut one : leftOut) {
      text.append(line("  %-28s not asked: %s%n", one.name, one.why));
    }
    if (!combined.isEmpty()) {
      text.append(line("%n%-34s %9s %9s  %s%n", "defence", "clean", "attacked", "p"));
      for (Combined one : combined) {
        text.append(
            line(
                "%-34s %7.1f %% %7.1f %%  %s%n",
                one.name, 100 * one.clean.value(), 100 * one.attacked.value(), shown(one.p)));
      }
    }
    if (study.groups().clean() >= 0) {
      text.append(
          defence().get("won_back") instanceof Double part
              ? line("%nof the accuracy that the writing costs, %.0f %% won back%n", 100 * part)
              : line("%nthe writing costs no accuracy: nothing to win back%n"));
    }
    return text.toString();
  }

  /** Why no set of features was chosen, and what might help. */
  private String nothing() {
    List<GroupScore> scores =
        sweep.stream().flatMap(s -> s.sizes.stream()).map(Choice::score).toList();
    List<GroupScore> better =
        scores.stream().filter(s -> s.worstAfter() > s.worstBefore()).toList();
    String sets = Counted.of(scores.size(), "set") + " of features";
    if (scores.isEmpty()) {
      return "Nothing is chosen: no feature is more active on training images with the attribute"
          + " than on those without. Try other --layers or --select.";
    }
    if (settings.goal() == SuppressionSettings.Goal.INDEPENDENCE) {
      return line(
          "Nothing is chosen: on validation images none of %s makes answers less dependent on the"
              + " attribute for %s points of accuracy or fewer.",
          sets, settings.maxLoss());
    }
    if (better.isEmpty()) {
      return line(
          "Nothing is chosen: on validation images none of %s raises the worst group above"
              + " %.1f %% (the best reaches %.1f %%). Try other --layers, --select, --edit or more"
              + " --sizes.",
          sets,
          100 * validation.worstBefore(),
          100 * scores.stream().mapToDouble(GroupScore::worstAfter).max().orElse(0));
    }
    return line(
        "Nothing is chosen: of %s, %d raise the worst group on validation images, but each costs"
            + " more than the %s points of accuracy allowed (the cheapest %.2f). Try other"
            + " --layers, or a larger --max-clean-loss.",
        sets,
        better.size(),
        settings.maxLoss(),
        better.stream().mapToDouble(GroupScore::loss).min().orElse(0));
  }

  private static void row(StringBuilder text, String name, Paired paired) {
    text.append(
        line(
            "%-34s %6d %6.1f %% %6.1f %%  %s%n",
            name,
            paired.n(),
            100 * paired.before().value(),
            100 * paired.after().value(),
            shown(paired.test().p())));
  }

  /** A p for people; where it is too small for a double, that. */
  public static String shown(double p) {
    return p == 0 ? "< 1e-300" : line("%.2g", p);
  }

  private static String line(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
