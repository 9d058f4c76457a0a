// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.cli.show.Lines;
import io.clipsteer.cli.show.SuppressionText;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.lab.edit.StoredEdit;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.suppress.EditEffect;
import io.clipsteer.lab.suppress.EditFolder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.MissingNode;

/**
 * A card of an edit in Markdown: what it changes, on which data it was chosen and measured, how
 * well it works beside its controls, its limits, hashes and commands. Every number comes from
 * {@code edit.json}, {@code report.json} or {@code effect.json}, and {@code manifest.json}.
 *
 * @param folder of the edit
 * @param edit null where a suppression selected none
 * @param found how a suppression selected it; empty where a person named its units
 * @param report {@code report.json}, else {@code effect.json}; missing where nothing was measured
 * @param manifest null where there is none
 */
public record EditCard(
    Path folder,
    @Nullable StoredEdit edit,
    JsonNode found,
    JsonNode report,
    @Nullable RunManifest manifest) {
  /** The card's name in an edit's or a run's folder. */
  public static final String FILE = "card.md";

  private static final double ALPHA = 0.05;

  /**
   * An exported file.
   *
   * @param hash SHA-256 of the file
   * @param sentences on what it holds
   * @param made the command that exported it
   */
  public record ExportedFile(
      String name, long bytes, String hash, List<String> sentences, RunManifest made) {}

  /** Reads what an edit's folder, or its {@code edit.json}, says. */
  public static EditCard read(Path path) {
    Path file = Files.isDirectory(path) ? path.resolve(StoredEdit.FILE) : path;
    Path folder = Objects.requireNonNull(file.toAbsolutePath().getParent()); // A file has one.
    JsonNode none = MissingNode.getInstance();
    boolean stored = Files.isRegularFile(file);
    return new EditCard(
        folder,
        stored ? StoredEdit.read(file) : null,
        stored ? JsonFile.tree(file, "Make the edit again").path("found") : none,
        report(folder, none),
        RunManifest.find(folder.resolve(RunManifest.FILE)));
  }

  private static JsonNode report(Path folder, JsonNode none) {
    for (String name : List.of(EditFolder.REPORT, EditEffect.FILE)) {
      Path file = folder.resolve(name);
      if (Files.isRegularFile(file)) return JsonFile.tree(file, "Make the edit again");
    }
    return none;
  }

  /** The name of its folder. */
  String name() {
    return String.valueOf(folder.toAbsolutePath().normalize().getFileName());
  }

  /**
   * The card.
   *
   * @param exported the file that it lies beside; null in the edit's own folder
   */
  public String text(@Nullable ExportedFile exported) {
    CardText text = new CardText();
    text.heading(1, "Edit " + CardText.plain(name()));
    what(text);
    data(text);
    quality(text);
    controls(text);
    text.heading(2, "Limits").points(limits());
    if (exported != null) exported(text, exported);
    List<@Nullable RunManifest> made = new ArrayList<>();
    made.add(manifest);
    if (exported != null) made.add(exported.made);
    return text.provenance(made).toString();
  }

  private void what(CardText text) {
    text.heading(2, "What it changes");
    StoredEdit one = edit;
    if (one == null) {
      String why = report.path("nothing_chosen").asString("no edit was selected");
      text.paragraph("No edit was selected: " + CardText.plain(why) + ".");
      return;
    }
    int count = one.units().count();
    text.paragraph(
        Lines.of(
            "%s at %s, on %s tokens; rule %s. The rest of the residual, with the SAE's error, stays"
                + " as it is.",
            Counted.of(count, one.units().noun()),
            CardText.code(one.point().peerName()),
            one.tokens(),
            one.rule().kind().name().toLowerCase(Locale.ROOT)));
    List<String> points = new ArrayList<>();
    points.add(
        "model " + CardText.code(one.model().toString()) + ", weights " + hash(one.modelHash()));
    if (one.sae() != null) {
      points.add("SAE " + CardText.code(one.sae().toString()) + ", weights " + hash(one.saeHash()));
    }
    text.points(points);
    float[] values = one.rule().values(count);
    float[] strengths = one.rule().strengths(count);
    int[] ids =
        switch (one.units()) {
          case StoredEdit.FeatureIds(int[] all) -> all;
          case StoredEdit.NeuronIds(int[] all) -> all;
          case StoredEdit.Line line -> new int[0];
        };
    List<List<String>> rows = new ArrayList<>();
    for (int k = 0; k < count; k++) {
      rows.add(
          List.of(
              ids.length == 0 ? "direction" : Integer.toString(ids[k]),
              Lines.of("%.6g", values[k]),
              Lines.of("%.4g", strengths[k])));
    }
    text.table(List.of(one.units().noun(), "value of the rule", "strength"), rows);
  }

  private static String hash(String hash) {
    return hash.isEmpty() ? "of unknown hash" : CardText.code(hash);
  }

  private void data(CardText text) {
    text.heading(2, "Data");
    List<String> points = new ArrayList<>();
    if (manifest != null) {
      for (String key : List.of("train", "validation", "data", "clean", "attribute")) {
        Object value = manifest.config().get(key);
        if (value == null) continue;
        String use =
            switch (key) {
              case "train" -> "units ranked on";
              case "validation" -> "size and strength selected on";
              case "data" -> report.isMissingNode() ? "data" : "measured on";
              default -> key;
            };
        points.add(use + " " + CardText.code(value.toString()));
      }
    }
    if (points.isEmpty() && report.has("data")) {
      points.add("measured on " + CardText.code(report.path("data").asString("")));
    }
    if (found.has("select")) {
      points.add(
          Lines.of(
              "selected by %s, edit %s",
              CardText.code(found.path("select").asString("")),
              CardText.code(found.path("edit").asString(""))));
    } else if (edit != null) {
      points.add("a person named the units: no data selected them");
    }
    text.points(points);
  }

  private void quality(CardText text) {
    text.heading(2, "How good it is");
    if (report.isMissingNode()) {
      text.paragraph("Not measured.");
      return;
    }
    List<List<String>> rows = new ArrayList<>();
    for (JsonNode group : report.path("groups")) rows.add(group(group));
    if (report.path("overall").isObject()) rows.add(group(report.path("overall")));
    if (report.path("clean").isObject()) rows.add(group(report.path("clean")));
    text.paragraph("Accuracy with 95 % intervals on test images; p is of the exact paired test.");
    text.table(List.of("group", "images", "before", "after", "p"), rows);
    List<String> points = new ArrayList<>();
    if (report.has("edited_wga")) {
      points.add(
          Lines.of(
              "worst group (another may be the worst after the edit): %s before, %s after (%s to"
                  + " %s); gain %s to %s points",
              CardText.percent(report.path("baseline_wga")),
              CardText.percent(report.path("edited_wga")),
              CardText.percent(report.path("wga_low")),
              CardText.percent(report.path("wga_high")),
              points(report.path("gain_low")),
              points(report.path("gain_high"))));
      points.add(
          Lines.of(
              "all images: %s before, %s after, p %s",
              CardText.percent(report.path("overall_before")),
              CardText.percent(report.path("overall_after")),
              SuppressionText.p(report.path("overall_p").asDouble())));
    } else {
      points.add(
          Lines.of(
              "worst group: %s before, %s after",
              CardText.percent(report.path("worst_before")),
              CardText.percent(report.path("worst_after"))));
    }
    JsonNode defence = report.path("defence");
    if (defence.isObject()) {
      points.add(
          Lines.of(
              "part of the accuracy lost to written words that the edit restores: %s",
              CardText.percent(defence.path("won_back"))));
    }
    text.points(points);
  }

  private static String points(JsonNode share) {
    return Lines.of("%+.1f", 100 * share.asDouble());
  }

  private static List<String> group(JsonNode group) {
    return List.of(
        CardText.plain(group.path("group").asString("")),
        CardText.number("%.0f", group.path("n")),
        CardText.interval(group.path("before")),
        CardText.interval(group.path("after")),
        SuppressionText.p(group.path("p").asDouble()));
  }

  private JsonNode baselines() {
    return report.has("baselines") ? report.path("baselines") : report.path("controls");
  }

  private void controls(CardText text) {
    text.heading(2, "Controls");
    List<List<String>> rows = new ArrayList<>();
    for (JsonNode one : baselines()) {
      rows.add(
          List.of(
              CardText.plain(one.path("name").asString("")),
              CardText.percent(one.path("wga")),
              CardText.percent(one.path("in_worst_group")),
              SuppressionText.p(one.path("p").asDouble()),
              CardText.percent(one.path("overall")),
              CardText.number("%.1f", one.path("harm"))));
    }
    for (JsonNode one : report.path("combined")) {
      rows.add(
          List.of(
              CardText.plain("defence: " + one.path("name").asString("")),
              CardText.percent(one.path("attacked").path("value")),
              "–",
              SuppressionText.p(one.path("p").asDouble()),
              CardText.percent(one.path("clean").path("value")),
              "–"));
    }
    if (rows.isEmpty()) {
      text.paragraph("None was measured.");
      return;
    }
    text.table(
        List.of(
            "control",
            "its own worst group",
            "in the group that the test is of",
            "p",
            "all images",
            "harm (points)"),
        rows);
    text.paragraph(
        "Accuracies. Harm is the accuracy lost, summed over the groups that lose; the edit's own is"
            + " "
            + CardText.number("%.1f", report.path("harm"))
            + ".");
    JsonNode against = report.path("against");
    if (against.isObject()) {
      text.paragraph(
          Lines.of(
              "Worst group, the edit minus the best control (%s): %s points (%s to %s), p %s; over"
                  + " all images %s points.",
              CardText.plain(against.path("baseline").asString("")),
              points(against.path("difference")),
              points(against.path("low")),
              points(against.path("high")),
              CardText.plain(SuppressionText.p(against.path("p").asDouble())),
              points(against.path("overall"))));
    }
    List<String> skipped = new ArrayList<>();
    for (var one : report.path("baselines_skipped").properties()) {
      skipped.add(CardText.plain(one.getKey() + " skipped: " + one.getValue().asString("")));
    }
    text.points(skipped);
  }

  /** What the figures do not show; every sentence is there by a figure of the report. */
  private List<String> limits() {
    List<String> limits = new ArrayList<>();
    if (edit != null) {
      limits.add(
          "It holds for this model and these weights only: another checkpoint has other features.");
    }
    if (report.isMissingNode()) {
      limits.add("Its effect was not measured; `clipsteer edit --data` measures one.");
      return limits;
    }
    limits.add(
        Lines.of(
            "The figures hold for %s and its prompts, not for images of another kind.",
            CardText.code(report.path("data").asString(""))));
    if (report.has("mcnemar_p") && report.path("mcnemar_p").asDouble() >= ALPHA) {
      limits.add(
          Lines.of(
              "The change in the group that was worst before (%s) is within chance: p %s.",
              CardText.plain(report.path("worst_group").asString("")),
              SuppressionText.p(report.path("mcnemar_p").asDouble())));
    }
    JsonNode power = report.path("power").path("smallest_gain_at_80_percent");
    if (power.isNumber()) {
      limits.add(
          Lines.of(
              "The test of the worst group (%s) finds a gain of %s points with a probability of"
                  + " 80 %%; a smaller one may be missed.",
              Counted.of(report.path("power").path("n").asLong(), "image"),
              Lines.of("%.1f", 100 * power.asDouble())));
    }
    for (JsonNode group : report.path("groups")) {
      double lost =
          group.path("before").path("value").asDouble()
              - group.path("after").path("value").asDouble();
      if (lost <= 0) continue;
      limits.add(
          Lines.of(
              "The group %s loses %.1f points (p %s).",
              CardText.plain(group.path("group").asString("")),
              100 * lost,
              SuppressionText.p(group.path("p").asDouble())));
    }
    JsonNode against = report.path("against");
    if (against.isObject() && against.path("high").asDouble() < 0) {
      limits.add(
          Lines.of(
              "The control \"%s\" does better in the worst group: the edit has %.1f points (%.1f to"
                  + " %.1f) against it.",
              CardText.plain(against.path("baseline").asString("")),
              100 * against.path("difference").asDouble(),
              100 * against.path("low").asDouble(),
              100 * against.path("high").asDouble()));
    }
    JsonNode stability = report.path("stability");
    if (stability.isObject()) {
      limits.add(
          Lines.of(
              "%d of %d bootstrap samples of the validation images select this edit, %d this SAE.",
              stability.path("same_edit").asInt(),
              stability.path("samples").asInt(),
              stability.path("same_sae").asInt()));
    }
    if (report.path("dealt").asBoolean(false)) {
      limits.add("The data has no splits of its own: the seed made them.");
    }
    if (report.path("skipped").asInt(0) > 0) {
      limits.add(Counted.of(report.path("skipped").asInt(), "image") + " could not be read.");
    }
    return limits;
  }

  private static void exported(CardText text, ExportedFile file) {
    text.heading(2, "Exported file");
    List<String> points = new ArrayList<>();
    points.add(
        Lines.of(
            "%s, %,d bytes, SHA-256 %s",
            CardText.code(file.name), file.bytes, CardText.code(file.hash)));
    file.sentences.forEach(line -> points.add(CardText.plain(line)));
    text.points(points);
  }
}
