// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.report.Commands;
import io.clipsteer.cli.reproduce.PreparedSets;
import io.clipsteer.cli.reproduce.Recipe;
import io.clipsteer.cli.reproduce.RecipeValues;
import io.clipsteer.lab.reproduce.ComparedRow;
import io.clipsteer.lab.reproduce.Figure;
import io.clipsteer.lab.reproduce.FigureReader;
import io.clipsteer.lab.reproduce.PublishedRow;
import io.clipsteer.lab.reproduce.PublishedTable;
import io.clipsteer.lab.reproduce.Reproduction;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** Runs the stages of a paper, and reads its rows. */
final class Reproducing {
  private static final Map<String, String> TITLES =
      Map.of(
          "steering-clip", "Steering CLIP's vision transformer with sparse autoencoders",
          "saev",
              "Sparse autoencoders for scientifically rigorous interpretation of vision models");

  private final String paper;
  private final Recipe recipe;
  private final PaperModels models;
  private final List<String> only;
  private final double scale;
  private final Path data;
  private final Path out;
  private final CommonOptions common;
  private final Map<String, JsonNode> results = new LinkedHashMap<>();
  private final Map<String, Reproduction.StageState> states = new LinkedHashMap<>();
  private final Map<String, Map<String, Figure>> figures = new LinkedHashMap<>();
  private boolean failed;

  Reproducing(
      String paper,
      Recipe recipe,
      PaperModels models,
      List<String> only,
      double scale,
      Path data,
      Path out,
      CommonOptions common) {
    this.paper = paper;
    this.recipe = recipe;
    this.models = models;
    this.only = only;
    this.scale = scale;
    this.data = data;
    this.out = out.toAbsolutePath().normalize();
    this.common = common;
  }

  Path data() {
    return data;
  }

  double scale() {
    return scale;
  }

  /** Whether a stage's command failed. */
  boolean failed() {
    return failed;
  }

  /** The stages to run, with the released SAEs where they are there. */
  List<Recipe.RecipeStage> chosen(PreparedSets sets) {
    Recipe own = recipe.with(set -> sets.missing(set).isEmpty());
    return only.isEmpty() ? own.stages() : own.only(only);
  }

  /** What the placeholders stand for. */
  RecipeValues values(PreparedSets sets) {
    Map<String, List<String>> words = sets.values();
    words.put("out", List.of(out.toString()));
    words.put("model", List.of(models.model().toString()));
    if (models.dino() != null) words.put("dino", List.of(models.dino().toString()));
    var second = models.second();
    int other = second == null ? models.config().layers() : second.layers();
    return new RecipeValues(words, scale, models.config().layers(), other, false);
  }

  /** Why a stage cannot run; empty where it can. */
  String lacking(Recipe.RecipeStage stage, PreparedSets sets, List<String> done) {
    for (String set : stage.sets()) {
      String why =
          set.equals("dino")
              ? models.dino() == null ? "no second model: give --dino" : ""
              : sets.missing(set);
      if (!why.isEmpty()) return why;
    }
    for (String before : stage.stages()) {
      if (done.contains(before)) continue;
      Reproduction.StageState state = states.get(before);
      // What a skipped stage lacks is what this one lacks.
      return state != null && state.command().isEmpty()
          ? state.note()
          : "it needs the stage " + before;
    }
    return "";
  }

  /** Runs what can be run, and compares. */
  Reproduction run(PreparedSets sets) {
    RecipeValues values = values(sets);
    List<Recipe.RecipeStage> stages = chosen(sets);
    int number = 0;
    for (Recipe.RecipeStage stage : stages) {
      number++;
      String why = lacking(stage, sets, List.copyOf(results.keySet()));
      if (why.isEmpty()) {
        run(stage, values, "[" + number + "/" + stages.size() + "] ");
      } else {
        states.put(stage.name(), new Reproduction.StageState(stage.name(), "", null, why));
      }
    }
    return new Reproduction(
        paper,
        TITLES.getOrDefault(paper, paper),
        models.model().toString(),
        models.dino() == null ? null : models.dino().toString(),
        models.sameShape(),
        models.shape(),
        scale,
        sets.states(),
        List.copyOf(states.values()),
        PublishedTable.of(paper).stream().map(row -> compared(row, values)).toList());
  }

  private void run(Recipe.RecipeStage one, RecipeValues values, String counted) {
    CommandStage stage = stage(one, values);
    Path file = stage.file(out);
    String command = Commands.line(stage.words());
    if (!Files.exists(file)) {
      System.err.println(counted + command);
      int code = stage.run(file);
      if (code != 0) {
        failed = true;
        String note = "its command failed; the message is above on stderr";
        states.put(one.name(), new Reproduction.StageState(one.name(), command, null, note));
        return;
      }
    }
    CommandStage.StageResult finished = stage.finished(file);
    results.put(one.name(), finished.result());
    figures.put(one.name(), FigureReader.read(one.command(), finished.result(), stage.out()));
    states.put(
        one.name(), new Reproduction.StageState(one.name(), command, finished.seconds(), ""));
  }

  /** The stage with its words; the seed and the device are those of the whole. */
  CommandStage stage(Recipe.RecipeStage one, RecipeValues values) {
    List<String> words =
        new ArrayList<>(
            values.fill(
                one.words(),
                name -> Objects.requireNonNull(results.get(name), name + " was not run")));
    if (!words.contains("--seed")) {
      words.add("--seed");
      words.add(String.valueOf(common.seed()));
    }
    String device = common.device().toString();
    if (!device.equals("cpu") && !words.getFirst().equals("attack")) {
      words.add("--device");
      words.add(device);
    }
    return new CommandStage(one.name(), words);
  }

  // ---- rows ------------------------------------------------------------------------------------

  private ComparedRow compared(PublishedRow row, RecipeValues values) {
    if (!row.isMeasured()) return ComparedRow.without(row, row.reason(), "");
    Reproduction.StageState state = states.get(row.stage());
    String command = state == null ? "" : state.command();
    Figure ours = figure(row, values);
    if (ours != null) return ComparedRow.of(row, ours, models.sameShape(), command);
    String why =
        state == null
            ? "the stage " + row.stage() + " is not among --only"
            : state.note().isEmpty()
                ? "the stage " + row.stage() + " has no such number"
                : state.note();
    return ComparedRow.without(row, why, command);
  }

  private @Nullable Figure figure(PublishedRow row, RecipeValues values) {
    Map<String, Figure> all = figures.getOrDefault(row.stage(), Map.of());
    return all.get(values.figure(row.figure()));
  }

  // ---- plan ------------------------------------------------------------------------------------

  /**
   * Prints what would be run.
   *
   * @param rates of another machine; null to measure this one's
   */
  void plan(@Nullable Path rates) {
    ReproductionPlan.print(this, models, rates, common);
  }
}
