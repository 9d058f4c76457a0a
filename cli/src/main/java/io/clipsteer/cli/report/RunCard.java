// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.cli.show.Lines;
import io.clipsteer.cli.show.SuppressionText;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.IndexedUnits;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.RunFolder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.MissingNode;

/**
 * A card of a run in Markdown: its SAEs, on which data they were trained and measured, how good
 * they are beside their controls, limits, hashes and commands. Every number comes from the run's
 * files.
 *
 * @param folder the run
 * @param index its index
 * @param saes figures over the indexed images
 * @param evaluation {@code evaluation.json}, or null
 * @param steerability or null
 * @param edits of the report
 * @param studies of the report
 */
record RunCard(
    RunFolder folder,
    IndexFolder index,
    List<SaeSummary> saes,
    @Nullable JsonNode evaluation,
    @Nullable MeasuredSteerability steerability,
    List<SuppressionResult> edits,
    List<SelectivityResult> studies) {
  /** The settings of a training that a reader compares first. */
  private static final List<String> RECIPE =
      List.of(
          "tokens",
          "expansion",
          "train_tokens",
          "batch",
          "learning_rate",
          "schedule",
          "normalise",
          "tower_dtype");

  /** The card. */
  String text() {
    RunFolder.Run run = folder.read();
    RunManifest trained = folder.manifest();
    CardText text = new CardText();
    String name = folder.path().toAbsolutePath().normalize().toString();
    text.heading(1, "SAEs of run " + CardText.plain(Page.tail(name)));
    text.heading(2, "What it is");
    text.paragraph(
        Lines.of(
            "%s on the vision transformer of %s.",
            Counted.of(run.saes().size(), "sparse autoencoder"), CardText.code(run.model())));
    saes(text, run);
    data(text, trained);
    quality(text, run);
    controls(text);
    text.heading(2, "Limits").points(limits());
    List<@Nullable RunManifest> made = new ArrayList<>();
    made.add(trained);
    made.add(folder.evaluationManifest());
    made.add(index.made(IndexedUnits.FEATURES));
    if (steerability != null) made.add(steerability.manifest());
    return text.provenance(made).toString();
  }

  private static void saes(CardText text, RunFolder.Run run) {
    List<List<String>> rows = new ArrayList<>();
    for (RunFolder.SaeEntry sae : run.saes()) {
      rows.add(
          List.of(
              CardText.code(sae.folder()),
              CardText.code(sae.hookPoint()),
              CardText.plain(sae.tokens()),
              CardText.code(sae.variant())));
    }
    text.table(List.of("SAE", "hook point", "tokens", "variant"), rows);
  }

  private void data(CardText text, @Nullable RunManifest trained) {
    text.heading(2, "Data and training");
    List<String> points = new ArrayList<>();
    if (trained != null) {
      for (String key : List.of("images", "store", "texts")) {
        Object source = trained.config().get(key);
        if (source != null) points.add("trained on " + CardText.code(source.toString()));
      }
      for (String key : RECIPE) {
        Object value = trained.config().get(key);
        if (value != null) points.add(key + ": " + CardText.plain(value.toString()));
      }
    }
    IndexFolder.IndexManifest indexed = index.read(IndexedUnits.FEATURES);
    points.add(
        "indexed over "
            + Counted.of(indexed.images(), "image")
            + " of "
            + CardText.code(indexed.source()));
    if (evaluation != null) points.add("evaluated on " + measuredOn(evaluation));
    if (steerability != null) {
      points.add("steerability measured on " + measuredOn(steerability.json()));
    }
    text.points(points);
  }

  private static String measuredOn(JsonNode json) {
    return Counted.of(json.path("images").asLong(), "image")
        + " of "
        + CardText.code(json.path("source").asString(""));
  }

  private void quality(CardText text, RunFolder.Run run) {
    text.heading(2, "How good they are");
    text.paragraph(
        evaluation != null
            ? "Reconstruction on the evaluation's images."
            : "Reconstruction on images held out in training: the run was not evaluated.");
    List<List<String>> rows = new ArrayList<>();
    for (RunFolder.SaeEntry sae : run.saes()) rows.add(quality(sae));
    text.table(
        List.of(
            "SAE",
            "explained variance",
            "L0",
            "alive",
            "dense",
            "CE recovered (mean ablation)",
            "accuracy",
            "accuracy spliced"),
        rows);
    text.paragraph("Features over the indexed images.");
    List<List<String>> features = new ArrayList<>();
    for (SaeSummary sae : saes) {
      Map<String, @Nullable Object> of = sae.statistics();
      features.add(
          List.of(
              CardText.code(sae.group().sae()),
              Lines.of("%,d", sae.group().units()),
              share(of.get("alive_fraction")),
              share(of.get("dense_fraction")),
              Lines.orDash("%.3f", Cells.number(of.get("median_monosemanticity")))));
    }
    text.table(List.of("SAE", "features", "alive", "dense", "median monosemanticity"), features);
    steering(text);
  }

  private List<String> quality(RunFolder.SaeEntry sae) {
    JsonNode own = MissingNode.getInstance();
    for (JsonNode one : evaluation == null ? List.<JsonNode>of() : evaluation.path("saes")) {
      if (one.path("folder").asString("").equals(sae.folder())) own = one;
    }
    if (own.isMissingNode()) {
      return List.of(
          CardText.code(sae.folder()),
          Lines.of("%.4f", sae.explainedVariance()),
          Lines.of("%.2f", sae.l0()),
          Lines.of("%.1f %%", 100 * sae.aliveFraction()),
          "–",
          "–",
          "–",
          "–");
    }
    JsonNode answers = own.path("zero_shot");
    return List.of(
        CardText.code(sae.folder()),
        CardText.number("%.4f", own.path("explained_variance")),
        CardText.number("%.2f", own.path("l0")),
        CardText.percent(own.path("alive_fraction")),
        CardText.percent(own.path("dense_fraction")),
        CardText.percent(answers.path("ce_recovered").path("mean_ablation")),
        CardText.percent(answers.path("original").path("accuracy")),
        CardText.percent(answers.path("spliced").path("accuracy")));
  }

  private static String share(@Nullable Object cell) {
    Double value = Cells.number(cell);
    return Lines.orDash("%.1f %%", value == null ? null : 100 * value);
  }

  private void steering(CardText text) {
    if (steerability == null) return;
    JsonNode json = steerability.json();
    text.paragraph(
        Lines.of(
            "Steerability: units with S above %s, with 95 %% intervals.",
            CardText.number("%.3g", json.path("tau"))));
    List<List<String>> rows = new ArrayList<>();
    for (JsonNode layer : json.path("layers")) {
      rows.add(
          List.of(
              CardText.code(layer.path("hook_point").asString("")),
              CardText.plain(layer.path("unit").asString("")),
              MeasuredSteerability.set(layer.path("set")),
              CardText.number("%.0f", layer.path("n")),
              CardText.number("%.3g", layer.path("mean_s")),
              Lines.of(
                  "%s (%s to %s)",
                  CardText.percent(layer.path("share_above_tau")),
                  CardText.percent(layer.path("share_low")),
                  CardText.percent(layer.path("share_high"))),
              CardText.number("%.0f", layer.path("coverage"))));
    }
    text.table(
        List.of("hook point", "units", "strength", "n", "mean S", "share above", "coverage"), rows);
  }

  private void controls(CardText text) {
    text.heading(2, "Controls");
    JsonNode comparisons =
        steerability == null ? MissingNode.getInstance() : steerability.json().path("comparisons");
    if (comparisons.isEmpty()) {
      text.paragraph("Steering was not compared with other units.");
    } else {
      List<List<String>> rows = new ArrayList<>();
      for (JsonNode one : comparisons) {
        rows.add(
            List.of(
                CardText.code(one.path("sae").asString("")),
                MeasuredSteerability.set(one.path("set")),
                CardText.plain(one.path("baseline").asString("")),
                Lines.of(
                    "%s (%s to %s)",
                    CardText.number("%.3g", one.path("difference")),
                    CardText.number("%.3g", one.path("low")),
                    CardText.number("%.3g", one.path("high"))),
                SuppressionText.p(one.path("p_holm").asDouble()),
                one.path("features_steer_more").asBoolean(false) ? "yes" : "no"));
      }
      text.paragraph("Mean S of features minus that of other units at the same hook point.");
      text.table(
          List.of("SAE", "strength", "against", "difference", "p (Holm)", "features steer more"),
          rows);
    }
    List<String> more = new ArrayList<>();
    for (SuppressionResult edit : edits) {
      more.add(
          Lines.of(
              "edit %s: worst group %s before, %s after; its own %s has the controls",
              CardText.plain(edit.name()),
              CardText.percent(edit.report().path("baseline_wga")),
              CardText.percent(edit.report().path("edited_wga")),
              CardText.code(EditCard.FILE)));
    }
    for (SelectivityResult study : studies) {
      more.add(
          Lines.of(
              "selectivity %s: %s on %s, beside random directions, random features and neurons",
              CardText.plain(study.name()),
              Counted.of(study.report().path("classes").size(), "class", "classes"),
              CardText.code(study.report().path("data").asString(""))));
    }
    text.points(more);
  }

  /** What the figures do not show; every sentence is there by a figure or a file that is absent. */
  private List<String> limits() {
    List<String> limits = new ArrayList<>();
    limits.add("The SAEs hold for this model's weights and these hook points only.");
    if (evaluation == null) {
      limits.add(
          "The loss of zero-shot answers was not measured: `clipsteer evaluate` measures it.");
    } else {
      note(limits, evaluation, "evaluation");
      for (JsonNode sae : evaluation.path("saes")) {
        double massive = sae.path("variance").path("massive_share").asDouble(0);
        if (massive == 0) continue;
        limits.add(
            Lines.of(
                "%s: massive tokens have %.1f %% of the variance, so that its ratio of sums says"
                    + " little about ordinary tokens (%s over those).",
                CardText.code(sae.path("folder").asString("")),
                100 * massive,
                CardText.number("%.4f", sae.path("variance").path("ordinary"))));
      }
    }
    if (steerability == null) {
      limits.add("Steering was not measured: `clipsteer steerability` measures it.");
    } else {
      note(limits, steerability.json(), "steerability");
    }
    IndexFolder.IndexManifest indexed = index.read(IndexedUnits.FEATURES);
    limits.add(
        Lines.of(
            "Names of features are hypotheses from %s and %s.",
            Counted.of(indexed.vocabulary(), "word"), Counted.of(indexed.images(), "image")));
    if (indexed.skipped() > 0) {
      limits.add(Counted.of(indexed.skipped(), "image") + " of the index could not be read.");
    }
    return limits;
  }

  private static void note(List<String> limits, JsonNode json, String of) {
    limits.add(
        Lines.of(
            "The figures of %s are from %s%s.",
            of,
            Counted.of(json.path("images").asLong(), "image"),
            json.path("skipped").asInt(0) == 0
                ? ""
                : "; " + Counted.of(json.path("skipped").asInt(), "image") + " could not be read"));
  }
}
