// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import io.clipsteer.data.stats.Correlation;
import io.clipsteer.lab.label.LabelReport.AgreementResult;
import io.clipsteer.lab.label.LabelReport.KindResult;
import io.clipsteer.lab.label.LabelReport.PartResult;
import io.clipsteer.lab.label.LabelReport.ScoreResult;
import io.clipsteer.lab.label.LabelReport.TaskResult;
import io.clipsteer.lab.label.LabelReport.UnitResult;
import io.clipsteer.lab.label.LabelledUnit.LabelledKind;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/** Computes the parts of a report from the answers that count. */
record LabelFigures(LabelPlan plan, List<String> annotators, List<CountedAnswer> counted) {
  private static final long SEED = 1;
  private static final int FEWEST_SCORED = 5;

  private LabelledUnit unit(CountedAnswer one) {
    return plan.units().get(one.trial().unit());
  }

  /** Values by unit. */
  private List<double[]> byUnit(
      Predicate<CountedAnswer> which, Function<CountedAnswer, Double> value) {
    Map<Integer, List<Double>> all = new TreeMap<>();
    for (CountedAnswer one : counted) {
      if (!which.test(one)) continue;
      all.computeIfAbsent(one.trial().unit(), u -> new ArrayList<>()).add(value.apply(one));
    }
    return all.values().stream()
        .map(own -> own.stream().mapToDouble(Double::doubleValue).toArray())
        .toList();
  }

  List<TaskResult> results() {
    List<TaskResult> all = new ArrayList<>();
    for (LabelTask task : plan.tasks()) {
      if (task == LabelTask.NAMING) continue;
      for (boolean hard : new boolean[] {false, true}) {
        Map<LabelledKind, List<double[]>> byKind = new LinkedHashMap<>();
        for (LabelledKind kind : LabelledKind.values()) {
          List<double[]> own =
              byUnit(
                  one ->
                      one.trial().task() == task
                          && one.isHard() == hard
                          && unit(one).kind() == kind,
                  CountedAnswer::accuracy);
          if (!own.isEmpty()) byKind.put(kind, own);
        }
        List<double[]> trained = byKind.getOrDefault(LabelledKind.FEATURE, List.of());
        byKind.forEach(
            (kind, own) ->
                all.add(
                    new TaskResult(
                        task,
                        hard,
                        kind,
                        task.chance(),
                        own.stream().mapToInt(answers -> answers.length).sum(),
                        FeatureMean.of(own, SEED),
                        kind == LabelledKind.FEATURE
                            ? null
                            : FeatureMean.difference(trained, own, SEED))));
      }
    }
    return all;
  }

  List<KindResult> oneIdea() {
    List<KindResult> all = new ArrayList<>();
    List<double[]> trained = List.of();
    for (LabelledKind kind : LabelledKind.values()) {
      List<double[]> own =
          byUnit(
              one -> one.trial().task() == LabelTask.NAMING && unit(one).kind() == kind,
              CountedAnswer::oneIdea);
      if (kind == LabelledKind.FEATURE) trained = own;
      if (own.isEmpty()) continue;
      FeatureMean difference =
          kind == LabelledKind.FEATURE ? null : FeatureMean.difference(trained, own, SEED);
      all.add(new KindResult(kind, FeatureMean.of(own, SEED), difference));
    }
    return all;
  }

  List<PartResult> parts(Function<LabelledUnit, Integer> part) {
    List<PartResult> all = new ArrayList<>();
    List<Integer> parts =
        plan.studied().stream()
            .filter(one -> one.kind() == LabelledKind.FEATURE)
            .map(part)
            .distinct()
            .sorted()
            .toList();
    for (LabelTask task : plan.tasks()) {
      if (task == LabelTask.NAMING) continue;
      for (int value : parts) {
        List<double[]> own =
            byUnit(
                one ->
                    one.trial().task() == task
                        && unit(one).kind() == LabelledKind.FEATURE
                        && part.apply(unit(one)) == value,
                CountedAnswer::accuracy);
        if (!own.isEmpty()) all.add(new PartResult(task, value, FeatureMean.of(own, SEED)));
      }
    }
    return all;
  }

  // ---- agreement -----------------------------------------------------------------------------

  List<AgreementResult> agreements() {
    List<AgreementResult> all = new ArrayList<>();
    for (LabelTask task : plan.tasks()) {
      switch (task) {
        case NAMING -> {
          all.add(
              result(
                  "naming: none, several or one idea",
                  Agreement.Metric.ORDINAL,
                  ratings(task, said -> said.ideas() == null ? null : said.ideas().ordinal())));
          all.add(result("naming: images that fit", Agreement.Metric.NOMINAL, picks(task)));
        }
        case TWO_AFC, INTRUDER ->
            all.add(
                result(
                    task + ": choice",
                    Agreement.Metric.NOMINAL,
                    ratings(task, LabelAnswer.Said::choice)));
        case VERIFICATION ->
            all.add(result("verification: images", Agreement.Metric.NOMINAL, picks(task)));
      }
    }
    return all;
  }

  private static <T> AgreementResult result(
      String what, Agreement.Metric metric, Ratings<T> ratings) {
    int items =
        (int)
            ratings.items().stream()
                .filter(row -> row.stream().filter(Objects::nonNull).count() > 1)
                .count();
    return new AgreementResult(
        what,
        metric,
        items,
        Agreement.raw(ratings),
        Agreement.prevalence(ratings).values().stream().max(Double::compare).orElse(null),
        Agreement.alpha(ratings, metric),
        Agreement.interval(ratings, metric, SEED),
        Agreement.fleiss(ratings),
        Agreement.cohen(ratings).stream().filter(one -> one.kappa() != null).toList());
  }

  /** Answers to a task by trial and annotator. */
  private <T> Ratings<T> ratings(LabelTask task, Function<LabelAnswer.Said, @Nullable T> value) {
    Map<String, List<@Nullable T>> rows = new LinkedHashMap<>();
    for (CountedAnswer one : counted) {
      if (one.trial().task() != task) continue;
      row(rows, one.trial().id())
          .set(annotators.indexOf(one.annotator()), value.apply(one.answer().said()));
    }
    return new Ratings<>(List.copyOf(rows.values()));
  }

  /** Whether an image was picked, by image and annotator. */
  private Ratings<Boolean> picks(LabelTask task) {
    Map<String, List<@Nullable Boolean>> rows = new LinkedHashMap<>();
    for (CountedAnswer one : counted) {
      List<Integer> picked = one.answer().said().picked();
      if (one.trial().task() != task || picked == null) continue;
      for (int k = 0; k < one.trial().images().size(); k++) {
        row(rows, one.trial().id() + " " + k)
            .set(annotators.indexOf(one.annotator()), picked.contains(k));
      }
    }
    return new Ratings<>(List.copyOf(rows.values()));
  }

  private <T> List<@Nullable T> row(Map<String, List<@Nullable T>> rows, String item) {
    return rows.computeIfAbsent(
        item, id -> new ArrayList<>(Collections.nCopies(annotators.size(), null)));
  }

  // ---- scores --------------------------------------------------------------------------------

  List<ScoreResult> scores(Map<String, Map<String, Double>> further) {
    List<ScoreResult> all = new ArrayList<>();
    for (LabelTask task : plan.tasks()) {
      if (task == LabelTask.NAMING) continue;
      Map<String, List<double[]>> pairs = new TreeMap<>();
      Map<Integer, List<Double>> byUnit = new HashMap<>();
      for (CountedAnswer one : counted) {
        if (one.trial().task() != task || unit(one).kind() != LabelledKind.FEATURE) continue;
        byUnit.computeIfAbsent(one.trial().unit(), u -> new ArrayList<>()).add(one.accuracy());
      }
      byUnit.forEach(
          (u, answers) -> {
            double mean = answers.stream().mapToDouble(Double::doubleValue).average().orElse(0);
            LabelledUnit unit = plan.units().get(u);
            Map<String, Double> scores = new TreeMap<>(unit.scores());
            scores.putAll(further.getOrDefault(unit.sae() + " " + unit.number(), Map.of()));
            scores.forEach(
                (name, score) ->
                    pairs
                        .computeIfAbsent(name, n -> new ArrayList<>())
                        .add(new double[] {mean, score}));
          });
      pairs.forEach(
          (name, own) -> {
            if (own.size() < FEWEST_SCORED) return;
            double[] accuracies = own.stream().mapToDouble(one -> one[0]).toArray();
            double[] values = own.stream().mapToDouble(one -> one[1]).toArray();
            Correlation correlation = Correlation.spearman(accuracies, values);
            all.add(new ScoreResult(task, name, own.size(), correlation));
          });
    }
    return all;
  }

  // ---- units -----------------------------------------------------------------------------------

  /** What was said of each unit that has an answer, in the plan's order. */
  List<UnitResult> units() {
    Map<Integer, List<CountedAnswer>> byUnit = new TreeMap<>();
    for (CountedAnswer one : counted) {
      byUnit.computeIfAbsent(one.trial().unit(), u -> new ArrayList<>()).add(one);
    }
    List<UnitResult> all = new ArrayList<>();
    byUnit.forEach((u, own) -> all.add(unit(plan.units().get(u), own)));
    return all;
  }

  private static UnitResult unit(LabelledUnit unit, List<CountedAnswer> own) {
    Map<LabelTask, Double> accuracies = new TreeMap<>();
    Double oneIdea = null;
    for (LabelTask task : LabelTask.values()) {
      var values = own.stream().filter(one -> one.trial().task() == task).toList();
      if (values.isEmpty()) continue;
      if (task == LabelTask.NAMING) {
        oneIdea = mean(values, CountedAnswer::oneIdea);
      } else {
        accuracies.put(task, mean(values, CountedAnswer::accuracy));
      }
    }
    List<String> names =
        own.stream()
            .filter(one -> one.trial().task() == LabelTask.NAMING)
            .map(one -> one.answer().said().idea())
            .filter(Objects::nonNull)
            .distinct()
            .toList();
    return new UnitResult(
        unit.kind(),
        unit.sae(),
        unit.layer(),
        unit.number(),
        unit.active(),
        unit.name(),
        names,
        oneIdea,
        accuracies,
        own.size());
  }

  private static double mean(List<CountedAnswer> own, ToDoubleFunction<CountedAnswer> value) {
    return own.stream().mapToDouble(value).average().orElse(Double.NaN);
  }
}
