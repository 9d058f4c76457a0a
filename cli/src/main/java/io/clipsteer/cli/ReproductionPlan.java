// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.report.Commands;
import io.clipsteer.cli.reproduce.CostForecast;
import io.clipsteer.cli.reproduce.MeasuredRates;
import io.clipsteer.cli.reproduce.PreparedSets;
import io.clipsteer.cli.reproduce.Recipe;
import io.clipsteer.cli.reproduce.RecipeValues;
import io.clipsteer.cli.reproduce.SetLayout;
import io.clipsteer.cli.reproduce.SetSample;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.Folders;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.lab.reproduce.Reproduction;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.MissingNode;

/** {@code reproduce --plan}: what is there, what is missing, and what the rest costs. */
final class ReproductionPlan {
  /** Classes of ADE20K, all of which are studied. */
  private static final int CLASSES = 150;

  /**
   * A set.
   *
   * @param path null where it is missing
   * @param looks how such a folder looks
   * @param note of its preparation
   * @param sample images that were decoded to check it
   * @param unreadable of these
   */
  record PlannedSet(
      String name, @Nullable String path, String looks, String note, int sample, int unreadable) {}

  /**
   * A stage.
   *
   * @param why it cannot run; empty where it can
   */
  record StageForecast(String name, String why, String command, CostForecast.StageCost cost) {}

  /** What {@code --json} prints. */
  record Plan(
      String paper,
      String shape,
      double scale,
      MeasuredRates rates,
      List<PlannedSet> sets,
      List<StageForecast> stages,
      CostForecast.StageCost all,
      CostForecast.StageCost possible) {}

  private ReproductionPlan() {}

  static void print(
      Reproducing job, PaperModels models, @Nullable Path rates, CommonOptions common) {
    Path folder;
    try {
      folder = Files.createTempDirectory("clipsteer-plan-");
    } catch (IOException e) {
      throw new InputException(
          "--plan", "no temporary folder: " + Reasons.of(e), "Free disk space", e);
    }
    try {
      PreparedSets sets = models.prepare(job.data(), folder.resolve("sets"));
      Plan plan = plan(job, models, sets, rates, common);
      common.print(plan, text(plan));
    } finally {
      Folders.delete(folder);
    }
  }

  private static Plan plan(
      Reproducing job,
      PaperModels models,
      PreparedSets sets,
      @Nullable Path known,
      CommonOptions common) {
    List<PlannedSet> found = new ArrayList<>();
    List<Path> images = new ArrayList<>();
    for (SetLayout layout : SetLayout.of(models.paper())) {
      Path place = layout.find(job.data());
      String note =
          sets.states().stream()
              .filter(state -> state.name().equals(layout.name()))
              .map(Reproduction.SetState::note)
              .findFirst()
              .orElse("");
      SetSample sample = place == null ? SetSample.NONE : SetSample.of(place);
      images.addAll(sample.images());
      found.add(
          new PlannedSet(
              layout.name(),
              place == null ? null : place.toString(),
              layout.looks(),
              note,
              sample.images().size(),
              sample.unreadable()));
    }
    MeasuredRates rates =
        known == null
            ? measured(models, images, common)
            : JsonFile.read(known, MeasuredRates.class, "Write it as --plan --json prints it");
    var forecast = new CostForecast(rates, models.config(), models.flops(), CLASSES);
    List<StageForecast> stages = stages(job, sets, forecast);
    return new Plan(
        models.paper(),
        models.shape(),
        job.scale(),
        rates,
        found,
        stages,
        sum(stages.stream()),
        sum(stages.stream().filter(stage -> stage.why.isEmpty())));
  }

  private static MeasuredRates measured(
      PaperModels models, List<Path> images, CommonOptions common) {
    try (ClipModel clip = ClipModel.load(models.model(), DType.F32, common.device())) {
      int expansion = models.paper().equals("saev") ? 32 : 64;
      return MeasuredRates.of(clip, images, expansion);
    }
  }

  private static List<StageForecast> stages(
      Reproducing job, PreparedSets sets, CostForecast forecast) {
    RecipeValues values = job.values(sets).ofPlan();
    List<StageForecast> stages = new ArrayList<>();
    List<String> done = new ArrayList<>();
    List<Recipe.RecipeStage> chosen = job.chosen(sets);
    for (Recipe.RecipeStage stage : chosen) {
      String why = job.lacking(stage, sets, done);
      if (why.isEmpty()) done.add(stage.name());
      List<String> words = values.fill(stage.words(), name -> MissingNode.getInstance());
      CostForecast.StageCost cost =
          forecast.of(words, SetSample.usual(stage), saes(chosen, stage, words, values));
      stages.add(new StageForecast(stage.name(), why, Commands.line(words), cost));
    }
    return stages;
  }

  /** SAEs that a stage trains or reads. */
  private static int saes(
      List<Recipe.RecipeStage> chosen,
      Recipe.RecipeStage stage,
      List<String> words,
      RecipeValues values) {
    int at = words.indexOf("--layers");
    if (at < 0) at = words.indexOf("--layer");
    if (at >= 0) return words.get(at + 1).split(",").length;
    if (stage.command().equals("sae import")) return words.indexOf("--model") - 2;
    for (String before : stage.stages()) {
      for (Recipe.RecipeStage one : chosen) {
        if (!one.name().equals(before)) continue;
        List<String> made = values.fill(one.words(), name -> MissingNode.getInstance());
        if (one.command().equals("sae import")) return made.indexOf("--model") - 2;
        if (!one.command().equals("train")) continue;
        return made.get(made.indexOf("--layers") + 1).split(",").length;
      }
    }
    return 1;
  }

  private static CostForecast.StageCost sum(Stream<StageForecast> stages) {
    double hours = 0;
    double cluster = 0;
    double disk = 0;
    double memory = 0;
    for (StageForecast stage : stages.toList()) {
      hours += stage.cost.hours();
      cluster += stage.cost.clusterHours();
      disk += stage.cost.disk();
      memory = Math.max(memory, stage.cost.memory());
    }
    return new CostForecast.StageCost(hours, cluster, disk, memory);
  }

  private static String text(Plan plan) {
    Lines text = new Lines();
    text.add("%s%n%nSets%n", plan.shape);
    for (PlannedSet set : plan.sets) {
      if (set.path == null) {
        text.add("  missing  %-14s %s: %s%n", set.name, set.note, set.looks);
      } else {
        String sample =
            set.sample == 0
                ? "no image to check"
                : set.unreadable + " of " + set.sample + " images of a sample cannot be read";
        text.add(
            "  found    %-14s %s; %s%s%n",
            set.name, set.path, sample, set.note.isEmpty() ? "" : "; " + set.note);
      }
    }
    text.add(
        "%nStages, by the rates of a machine (%d cores; the tower %.0f GFLOP/s, vanilla SAEs"
            + " %.0f and TopK %.0f tokens/s, an image %.1f ms)%n",
        plan.rates.cores(),
        plan.rates.towerFlops() / 1e9,
        plan.rates.reluTokens(),
        plan.rates.topkTokens(),
        1e3 * plan.rates.decodeSeconds());
    text.add("  %-22s %10s %12s %9s %9s%n", "stage", "hours", "100 nodes", "disk", "memory");
    for (StageForecast stage : plan.stages) {
      text.add("  %-22s %s%s%n", stage.name, cost(stage.cost), why(stage.why));
    }
    text.add("  %-22s %s%n", "all", cost(plan.all));
    text.add("  %-22s %s%n", "what can be run", cost(plan.possible));
    return text.add(
            "Hours on 100 nodes of 32 such cores are arithmetic: a training runs on a node for each"
                + " SAE, all else on all nodes.%n")
        .toString();
  }

  private static String why(String reason) {
    return reason.isEmpty() ? "" : "  skipped: " + reason;
  }

  private static String cost(CostForecast.StageCost cost) {
    return Lines.of(
        "%10.2f %12.3f %6.1f GB %6.1f GB",
        cost.hours(), cost.clusterHours(), cost.disk() / 1e9, cost.memory() / 1e9);
  }
}
