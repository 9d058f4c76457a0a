// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.show;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * What the demo's stages printed, put together.
 *
 * @param stages each one's JSON, by name
 * @param seconds of all stages
 * @param peakBytes most resident memory while one of them ran
 */
public record DemoResult(
    Path folder, boolean quick, Map<String, JsonNode> stages, double seconds, long peakBytes) {
  private static final List<String> GROUPED = List.of("portraits", "birds");
  private static final String WRITTEN = "typographic";

  /** The keys of design.md, and what the table shows beside them. */
  public Map<String, @Nullable Object> json() {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("what", "the demo world and its own CLIP" + (quick ? ", quick: rough figures" : ""));
    json.put("seconds", seconds);
    json.put("peak_bytes", peakBytes);
    json.put("report", folder.resolve("report.html").toString());
    json.put("folder", folder.toString());
    for (String task : GROUPED) json.put(task, grouped(stage(task)));
    json.put(WRITTEN, written(stage(WRITTEN)));
    json.put("steerability", stage("steerability").path("layers"));
    json.put("world", stage("world"));
    json.put("saes", stage("evaluate").path("saes"));
    json.put("index", stage("index"));
    return json;
  }

  private JsonNode stage(String name) {
    JsonNode found = stages.get(name);
    if (found == null) throw new IllegalStateException("no stage " + name);
    return found;
  }

  private static Map<String, @Nullable Object> grouped(JsonNode report) {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("before", report.path("baseline_wga"));
    json.put("after", report.path("edited_wga"));
    json.put("p", report.path("mcnemar_p"));
    json.put("clean_loss", lost(report.path("overall_before"), report.path("overall_after")));
    for (String key : List.of("gain_low", "gain_high", "layer", "features", "baselines")) {
      json.put(key, report.path(key));
    }
    return json;
  }

  private static Map<String, @Nullable Object> written(JsonNode report) {
    JsonNode defence = report.path("defence");
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    for (String key : List.of("clean", "attacked", "defended")) {
      json.put(key, defence.path(key).path("value"));
    }
    json.put(
        "clean_loss",
        lost(defence.path("clean").path("value"), defence.path("clean_after").path("value")));
    json.put("won_back", defence.path("won_back"));
    json.put("p", defence.path("mcnemar_p"));
    for (String key : List.of("layer", "features", "baselines", "combined")) {
      json.put(key, report.path(key));
    }
    return json;
  }

  /** Points of accuracy. */
  private static double lost(JsonNode before, JsonNode after) {
    return 100 * (before.asDouble(Double.NaN) - after.asDouble(Double.NaN));
  }

  // ---- for people ------------------------------------------------------------------------------

  public String text() {
    StringBuilder text = new StringBuilder();
    text.append(line("clipsteer demo: the demo world and its own CLIP%n"));
    if (quick) text.append("quick: it shows that everything works; the figures are rough\n");
    knows(text);
    saes(text);
    steering(text);
    suppression(text);
    text.append(
        line(
            "%n%.0f s, %.1f GB at most. Read %s%nOn your own data: see README.md, or clipsteer"
                + " COMMAND --help%n",
            seconds, peakBytes * 1e-9, folder.resolve("report.html")));
    return text.toString();
  }

  private void knows(StringBuilder text) {
    text.append(
        line(
            "%nThe model, zero-shot on unbiased images: things %s, colours %s, backgrounds %s,"
                + " written words %s.%nIt leans: worst of four groups %s of portraits (hair"
                + " colour), %s of birds (background);%nwith another word written on them, things"
                + " fall from %s to %s.%n",
            known("object_accuracy"),
            known("colour_accuracy"),
            known("background_accuracy"),
            known("word_accuracy"),
            known("portraits_worst_group"),
            known("birds_worst_group"),
            known("typographic_clean"),
            known("typographic_attacked")));
  }

  private String known(String key) {
    return percent(stage("world").path(key).path("value"));
  }

  private void saes(StringBuilder text) {
    text.append(line("%nlayer  features  L0    explained variance%n"));
    for (JsonNode sae : stage("evaluate").path("saes")) {
      text.append(
          line(
              "%5s  %8s  %4.1f  %.3f%n",
              sae.path("layer").asString(""),
              sae.path("features").asString(""),
              sae.path("l0").asDouble(Double.NaN),
              sae.path("explained_variance").asDouble(Double.NaN)));
    }
    JsonNode index = stage("index");
    text.append(
        line(
            "%s of %s features are active on %s images; median monosemanticity %.3f%n",
            index.path("alive").asString(""),
            index.path("features").asString(""),
            index.path("images").asString(""),
            index.path("median_monosemanticity").asDouble(Double.NaN)));
  }

  private void steering(StringBuilder text) {
    JsonNode report = stage("steerability");
    text.append(
        line(
            "%nUnits that steer (S above %s at strength %s, %s words, %s images)%nlayer "
                + " features  neurons  random directions%n",
            report.path("tau").asString(""),
            report.path("strength").asString(""),
            report.path("words").asString(""),
            report.path("images").asString("")));
    Map<Integer, Map<String, String>> layers = new TreeMap<>();
    for (JsonNode row : report.path("layers")) {
      layers
          .computeIfAbsent(row.path("layer").asInt(0), l -> new LinkedHashMap<>())
          .put(row.path("unit").asString(""), percent(row.path("share_above_tau")));
    }
    layers.forEach(
        (layer, kinds) ->
            text.append(
                line(
                    "%5d  %8s  %7s  %s%n",
                    layer, kinds.get("features"), kinds.get("neurons"), kinds.get("random"))));
  }

  private void suppression(StringBuilder text) {
    text.append(
        line(
            "%nTaken away, on test images%n%-12s %8s %8s %9s %9s  %-22s %s%n",
            "",
            "before",
            "after",
            "p",
            "cost",
            "by",
            "instead: neurons / mean difference / random features / random directions"));
    for (String task : GROUPED) {
      JsonNode report = stage(task);
      row(
          text,
          task,
          report,
          report.path("baseline_wga"),
          report.path("edited_wga"),
          lost(report.path("overall_before"), report.path("overall_after")));
    }
    JsonNode report = stage(WRITTEN);
    JsonNode defence = report.path("defence");
    row(
        text,
        WRITTEN,
        report,
        defence.path("attacked").path("value"),
        defence.path("defended").path("value"),
        lost(defence.path("clean").path("value"), defence.path("clean_after").path("value")));
    text.append("portraits and birds: worst group, cost in points of all; ");
    text.append("typographic: with a wrong word, cost in points without\n");
    if (report.path("combined").isEmpty()) return;
    text.append(line("%n%-24s %9s %9s%n", "against wrong words", "clean", "attacked"));
    for (JsonNode one : report.path("combined")) {
      text.append(
          line(
              "%-24s %9s %9s%n",
              one.path("name").asString(""),
              percent(one.path("clean").path("value")),
              percent(one.path("attacked").path("value"))));
    }
  }

  private static void row(
      StringBuilder text, String task, JsonNode report, JsonNode from, JsonNode to, double cost) {
    String by =
        report.path("layer").isNumber()
            ? report.path("features").size() + " of layer " + report.path("layer").asInt(0)
            : "nothing that helps";
    text.append(
        line(
            "%-12s %8s %8s %9s %9.1f  %-22s %s / %s / %s / %s%n",
            task,
            percent(from),
            percent(to),
            SuppressionText.p(report.path("mcnemar_p").asDouble(Double.NaN)),
            cost,
            by,
            baseline(report, "neurons"),
            baseline(report, "mean-difference direction"),
            baseline(report, "random features"),
            baseline(report, "random directions")));
  }

  private static String baseline(JsonNode report, String name) {
    return StreamSupport.stream(report.path("baselines").spliterator(), false)
        .filter(one -> one.path("name").asString("").equals(name))
        .findFirst()
        .map(one -> percent(one.path("wga")))
        .orElse("–");
  }

  private static String percent(JsonNode share) {
    double value = share.asDouble(Double.NaN);
    return Double.isNaN(value) ? "–" : line("%.1f %%", 100 * value);
  }

  private static String line(String format, @Nullable Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
