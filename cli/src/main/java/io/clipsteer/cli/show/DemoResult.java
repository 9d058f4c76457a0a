// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.show;

import com.fasterxml.jackson.annotation.JsonIgnore;
import io.clipsteer.lab.steer.Strength;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.databind.JsonNode;

/**
 * What {@code demo} prints.
 *
 * @param seconds of all stages
 * @param peakBytes largest resident memory of the stages
 * @param stages each one's JSON, by name
 */
public record DemoResult(
    String what,
    double seconds,
    long peakBytes,
    String report,
    String folder,
    Grouped portraits,
    Grouped birds,
    DefendedWords typographic,
    JsonNode steerability,
    JsonNode world,
    JsonNode saes,
    JsonNode index,
    @JsonIgnore boolean quick,
    @JsonIgnore Map<String, JsonNode> stages) {
  private static final String WRITTEN = "typographic";

  /** A shortcut in groups of images: accuracy of the worst one; the clean loss in points of all. */
  record Grouped(
      JsonNode before,
      JsonNode after,
      JsonNode p,
      double cleanLoss,
      JsonNode gainLow,
      JsonNode gainHigh,
      JsonNode layer,
      JsonNode features,
      JsonNode baselines) {
    static Grouped of(JsonNode report) {
      return new Grouped(
          report.path("baseline_wga"),
          report.path("edited_wga"),
          report.path("mcnemar_p"),
          lost(report.path("overall_before"), report.path("overall_after")),
          report.path("gain_low"),
          report.path("gain_high"),
          report.path("layer"),
          report.path("features"),
          report.path("baselines"));
    }
  }

  /** Written words: accuracies; the clean loss in points without writing. */
  record DefendedWords(
      JsonNode clean,
      JsonNode attacked,
      JsonNode defended,
      double cleanLoss,
      JsonNode wonBack,
      JsonNode p,
      JsonNode layer,
      JsonNode features,
      JsonNode baselines,
      JsonNode combined) {
    static DefendedWords of(JsonNode report) {
      JsonNode defence = report.path("defence");
      JsonNode clean = defence.path("clean").path("value");
      return new DefendedWords(
          clean,
          defence.path("attacked").path("value"),
          defence.path("defended").path("value"),
          lost(clean, defence.path("clean_after").path("value")),
          defence.path("won_back"),
          defence.path("mcnemar_p"),
          report.path("layer"),
          report.path("features"),
          report.path("baselines"),
          report.path("combined"));
    }
  }

  /** The result of all stages, from each one's JSON by name. */
  public static DemoResult of(
      Path folder, boolean quick, Map<String, JsonNode> stages, double seconds, long peakBytes) {
    return new DemoResult(
        "the demo world and its own CLIP" + (quick ? ", quick: rough figures" : ""),
        seconds,
        peakBytes,
        folder.resolve("report.html").toString(),
        folder.toString(),
        Grouped.of(stage(stages, "portraits")),
        Grouped.of(stage(stages, "birds")),
        DefendedWords.of(stage(stages, WRITTEN)),
        stage(stages, "steerability").path("layers"),
        stage(stages, "world"),
        stage(stages, "evaluate").path("saes"),
        stage(stages, "index"),
        quick,
        stages);
  }

  private static JsonNode stage(Map<String, JsonNode> stages, String name) {
    JsonNode found = stages.get(name);
    if (found == null) throw new IllegalStateException("no stage " + name);
    return found;
  }

  /** Points of accuracy. */
  private static double lost(JsonNode before, JsonNode after) {
    return 100 * (before.asDouble(Double.NaN) - after.asDouble(Double.NaN));
  }

  /** The result for people. */
  public String text() {
    Lines text = new Lines();
    text.add("clipsteer demo: the demo world and its own CLIP%n");
    if (quick) text.add("quick: a check that everything works; its figures are rough%n");
    model(text);
    saes(text);
    steering(text);
    suppression(text);
    experiments(text);
    text.add(
        "%n%.0f s, %.1f GB at most. Report: %s%nOn your own data: see README.md, or clipsteer"
            + " COMMAND --help%n",
        seconds, peakBytes * 1e-9, report);
    return text.toString();
  }

  private void model(Lines text) {
    text.add(
        "%nZero-shot accuracy on unbiased images: objects %s, colours %s, backgrounds %s,"
            + " written words %s.%nShortcuts: worst of four groups %s on portraits (hair"
            + " colour), %s on birds (background);%nobjects %s, and %s with another"
            + " object's name written on them.%n",
        accuracy("object_accuracy"),
        accuracy("colour_accuracy"),
        accuracy("background_accuracy"),
        accuracy("word_accuracy"),
        accuracy("portraits_worst_group"),
        accuracy("birds_worst_group"),
        accuracy("typographic_clean"),
        accuracy("typographic_attacked"));
  }

  private String accuracy(String key) {
    return percent(world.path(key).path("value"));
  }

  private void saes(Lines text) {
    text.add("%nlayer  features  L0    explained variance  per token  ordinary%n");
    for (JsonNode sae : saes) {
      text.add(
          "%5s  %8s  %4.1f  %-18.3f  %-9.3f  %.3f%n",
          sae.path("layer").asString(""),
          sae.path("features").asString(""),
          sae.path("l0").asDouble(Double.NaN),
          sae.path("explained_variance").asDouble(Double.NaN),
          sae.path("variance").path("token_mean").asDouble(Double.NaN),
          sae.path("variance").path("ordinary").asDouble(Double.NaN));
    }
    text.add(
        "%s of %s features are active on %s images; median monosemanticity %.3f%n",
        index.path("alive").asString(""),
        index.path("features").asString(""),
        index.path("images").asString(""),
        index.path("median_monosemanticity").asDouble(Double.NaN));
  }

  private void steering(Lines text) {
    JsonNode report = stage(stages, "steerability");
    text.add(
        "%nUnits that steer (unbiased S above %s, %s words, %s images; 1x: set to the unit's"
            + " largest activation)%nset to  layer  features  neurons  random directions%n",
        report.path("tau").asString(""),
        report.path("words").asString(""),
        report.path("images").asString(""));
    for (JsonNode set : report.path("set")) steering(text, report, set);
  }

  private static void steering(Lines text, JsonNode report, JsonNode set) {
    Map<Integer, Map<String, String>> layers = new TreeMap<>();
    for (JsonNode row : report.path("layers")) {
      if (!row.path("set").equals(set)) continue;
      layers
          .computeIfAbsent(row.path("layer").asInt(0), l -> new LinkedHashMap<>())
          .put(row.path("unit").asString(""), percent(row.path("share_above_tau")));
    }
    layers.forEach(
        (layer, kinds) ->
            text.add(
                "%6s  %5d  %8s  %7s  %s%n",
                Strength.parse(set.asString("1x")),
                layer,
                kinds.get("features"),
                kinds.get("neurons"),
                kinds.get("random")));
  }

  private void suppression(Lines text) {
    text.add(
        "%nSuppressed shortcuts, on test images%n%-12s %8s %8s %9s %18s  %-22s %s%n",
        "", "before", "after", "p", "accuracy", "edited", "features against the best baseline");
    row(text, "portraits", portraits.before, portraits.after, "overall_before", "overall_after");
    row(text, "birds", birds.before, birds.after, "overall_before", "overall_after");
    row(text, WRITTEN, typographic.attacked, typographic.defended, "clean_before", "clean_after");
    text.add(
        "portraits and birds: worst group, accuracy over all groups; typographic: with a wrong word"
            + " written, accuracy without%n");
    if (typographic.combined.isEmpty()) return;
    text.add("%n%-24s %9s %9s%n", "against wrong words", "clean", "attacked");
    for (JsonNode one : typographic.combined) {
      text.add(
          "%-24s %9s %9s%n",
          one.path("name").asString(""),
          percent(one.path("clean").path("value")),
          percent(one.path("attacked").path("value")));
    }
  }

  private void experiments(Lines text) {
    text.add(
        "%nOne feature ablated%n%-68s %8s %8s  %s%n",
        "", "changed", "others", "random directions as long");
    for (String name : List.of("sand", "species")) {
      JsonNode one = stage(stages, name).path("classes").path(0);
      JsonNode to = one.path("destinations").path(0);
      text.add(
          "%-68s %8s %8s  %s%s%n",
          one.path("name").asString("")
              + " (feature "
              + one.path("feature").asString("")
              + " at "
              + stage(stages, name).path("hook_point").asString("")
              + ")",
          percent(one.path("target_change").path("value")),
          percent(one.path("other_change")),
          percent(one.path("controls").path("random_directions").path("target_change")),
          to.isMissingNode()
              ? ""
              : ", most become "
                  + to.path("name").asString("")
                  + " ("
                  + percent(to.path("share"))
                  + ")");
    }
  }

  private void row(
      Lines text, String task, JsonNode from, JsonNode to, String before, String after) {
    JsonNode report = stage(stages, task);
    String by =
        report.path("layer").isNumber()
            ? report.path("features").size() + " features of layer " + report.path("layer").asInt(0)
            : "nothing: no edit helped";
    text.add(
        "%-12s %8s %8s %9s %18s  %-22s %s%n",
        task,
        percent(from),
        percent(to),
        SuppressionText.p(report.path("mcnemar_p").asDouble(Double.NaN)),
        percent(report.path(before)) + " -> " + percent(report.path(after)),
        by,
        against(report.path("against")));
  }

  private static String against(JsonNode against) {
    if (!against.isObject()) return "–";
    return Lines.of(
        "%+.1f points (%.1f to %.1f): %s",
        100 * against.path("difference").asDouble(Double.NaN),
        100 * against.path("low").asDouble(Double.NaN),
        100 * against.path("high").asDouble(Double.NaN),
        against.path("baseline").asString(""));
  }

  private static String percent(JsonNode share) {
    double value = share.asDouble(Double.NaN);
    return Double.isNaN(value) ? "–" : Lines.of("%.1f %%", 100 * value);
  }
}
