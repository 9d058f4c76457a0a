// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import io.clipsteer.data.stats.Bootstrap;
import io.clipsteer.data.stats.Correlation;
import io.clipsteer.data.stats.Median;
import io.clipsteer.lab.label.LabelPlan.LabelTrial;
import io.clipsteer.lab.label.LabelPlan.ShownImage;
import io.clipsteer.lab.label.LabelPlan.TrialRole;
import io.clipsteer.lab.label.LabelledUnit.LabelledKind;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * What the answers to a plan say.
 *
 * @param plan {@link PlanFolder#hash}
 * @param annotators whose answers count
 * @param excluded annotators whose answers do not
 * @param results accuracies by task and kind of unit
 * @param oneIdea share of sheets with one idea, by kind of unit
 * @param byLayer accuracies of trained features by task and layer
 * @param byStratum accuracies of trained features by task and quarter of frequency, 0 rarest
 * @param agreements of annotators
 * @param scores how the index's scores go with people's accuracies
 */
public record LabelReport(
    String plan,
    List<String> annotators,
    List<ExcludedAnnotator> excluded,
    List<TaskResult> results,
    List<KindResult> oneIdea,
    List<PartResult> byLayer,
    List<PartResult> byStratum,
    List<AgreementResult> agreements,
    List<ScoreResult> scores) {
  /** An annotator counts from this share of right catch trials on. */
  public static final double CAUGHT = 0.8;

  /** An annotator counts from this median of milliseconds a trial on. */
  public static final long FASTEST_MS = 1000;

  private static final long SEED = 1;
  private static final int FEWEST_SCORED = 5;

  /** An annotator whose answers do not count, and why. */
  public record ExcludedAnnotator(String annotator, String reason) {}

  /**
   * Accuracy of one kind of unit.
   *
   * @param hard whether the inactive query had the labels of the other one (2AFC)
   * @param difference of the trained features from this control; null for the features themselves
   */
  public record TaskResult(
      LabelTask task,
      boolean hard,
      LabelledKind kind,
      double chance,
      int answers,
      FeatureMean accuracy,
      @Nullable FeatureMean difference) {}

  /** A share of one kind of unit, and how far the trained features are from it. */
  public record KindResult(
      LabelledKind kind, FeatureMean share, @Nullable FeatureMean difference) {}

  /** Accuracy of the trained features of a layer, or of a quarter of frequency. */
  public record PartResult(LabelTask task, int part, FeatureMean accuracy) {}

  /**
   * Agreement of the annotators.
   *
   * @param what is agreed on
   * @param items that two or more have answered
   * @param raw share of equal pairs of answers
   * @param prevalence share of the most frequent value
   * @param alpha Krippendorff's, of {@code metric}; null where it is not defined
   * @param interval of alpha; null where it is not defined
   * @param fleiss null where it is not defined
   * @param cohen of each pair that is defined
   */
  public record AgreementResult(
      String what,
      Agreement.Metric metric,
      int items,
      @Nullable Double raw,
      @Nullable Double prevalence,
      @Nullable Double alpha,
      @Nullable Bootstrap interval,
      @Nullable Double fleiss,
      List<Agreement.PairKappa> cohen) {}

  /** Rank correlation of a score with the features' accuracies. */
  public record ScoreResult(LabelTask task, String score, int features, Correlation correlation) {}

  /** An answer that counts. */
  private record Counted(String annotator, LabelTrial trial, LabelAnswer answer) {}

  /** The report on a plan's answers. */
  public static LabelReport of(PlanFolder folder) {
    return of(folder, Map.of());
  }

  /**
   * The report, with further scores of the features.
   *
   * @param further scores by the feature's SAE and number, {@code "SAE NUMBER"}
   */
  public static LabelReport of(PlanFolder folder, Map<String, Map<String, Double>> further) {
    LabelPlan plan = folder.plan();
    Map<String, LabelTrial> trials =
        plan.trials().stream().collect(Collectors.toMap(LabelTrial::id, Function.identity()));
    List<String> kept = new ArrayList<>();
    List<ExcludedAnnotator> excluded = new ArrayList<>();
    List<Counted> counted = new ArrayList<>();
    for (String annotator : folder.annotators()) {
      List<Counted> own = new ArrayList<>();
      for (LabelAnswer answer : AnswerLog.open(folder, annotator).answers()) {
        LabelTrial trial = trials.get(answer.trial());
        if (trial != null && answer.said().skipped() == null) {
          own.add(new Counted(annotator, trial, answer));
        }
      }
      String reason = reason(own);
      if (reason == null) {
        kept.add(annotator);
        counted.addAll(firsts(own));
      } else {
        excluded.add(new ExcludedAnnotator(annotator, reason));
      }
    }
    Figures figures = new Figures(plan, kept, counted);
    return new LabelReport(
        folder.hash(),
        kept,
        excluded,
        figures.results(),
        figures.oneIdea(),
        figures.parts(LabelledUnit::layer),
        figures.parts(LabelledUnit::stratum),
        figures.agreements(),
        figures.scores(further));
  }

  /** Why an annotator's answers do not count; null where they do. */
  private static @Nullable String reason(List<Counted> own) {
    List<Counted> caught = own.stream().filter(one -> one.trial.role() == TrialRole.CATCH).toList();
    if (caught.isEmpty()) return "no catch trial is answered yet";
    double right = caught.stream().mapToDouble(LabelReport::accuracy).average().orElse(0);
    if (right < CAUGHT) {
      return "%.0f %% of the catch trials are right, fewer than %.0f %%"
          .formatted(100 * right, 100 * CAUGHT);
    }
    double[] times = own.stream().mapToDouble(one -> one.answer.milliseconds()).toArray();
    double median = Median.of(times).value();
    if (median < FASTEST_MS) return "the median answer took %.0f ms".formatted(median);
    return null;
  }

  /** Answers to main trials, each trial's first. */
  private static List<Counted> firsts(List<Counted> own) {
    Set<String> seen = new HashSet<>();
    return own.stream()
        .filter(one -> one.trial.role() == TrialRole.MAIN && seen.add(one.trial.id()))
        .toList();
  }

  /** The share of an answer that is right, 0 to 1; NaN for a task without right answers. */
  private static double accuracy(Counted one) {
    List<ShownImage> images = one.trial.images();
    LabelAnswer.Said said = one.answer.said();
    return switch (one.trial.task()) {
      case NAMING -> Double.NaN;
      case TWO_AFC, INTRUDER -> Objects.equals(said.choice(), one.trial.right()) ? 1 : 0;
      case VERIFICATION -> {
        List<Integer> picked = Objects.requireNonNullElse(said.picked(), List.of());
        long right =
            IntStream.range(0, images.size())
                .filter(k -> picked.contains(k) == images.get(k).fires())
                .count();
        yield (double) right / images.size();
      }
    };
  }

  private static boolean isHard(LabelTrial trial) {
    return trial.images().stream().anyMatch(one -> one.part().equals("same labels"));
  }

  /** Computes the parts of a report. */
  private record Figures(LabelPlan plan, List<String> annotators, List<Counted> counted) {
    private LabelledUnit unit(Counted one) {
      return plan.units().get(one.trial.unit());
    }

    /** Values by unit. */
    private List<double[]> byUnit(Predicate<Counted> which, Function<Counted, Double> value) {
      Map<Integer, List<Double>> all = new TreeMap<>();
      for (Counted one : counted) {
        if (!which.test(one)) continue;
        all.computeIfAbsent(one.trial.unit(), u -> new ArrayList<>()).add(value.apply(one));
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
                        one.trial.task() == task
                            && isHard(one.trial) == hard
                            && unit(one).kind() == kind,
                    LabelReport::accuracy);
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
                one -> one.trial.task() == LabelTask.NAMING && unit(one).kind() == kind,
                one -> one.answer.said().ideas() == LabelAnswer.Ideas.ONE ? 1.0 : 0.0);
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
                      one.trial.task() == task
                          && unit(one).kind() == LabelledKind.FEATURE
                          && part.apply(unit(one)) == value,
                  LabelReport::accuracy);
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
      for (Counted one : counted) {
        if (one.trial.task() != task) continue;
        row(rows, one.trial.id())
            .set(annotators.indexOf(one.annotator), value.apply(one.answer.said()));
      }
      return new Ratings<>(List.copyOf(rows.values()));
    }

    /** Whether an image was picked, by image and annotator. */
    private Ratings<Boolean> picks(LabelTask task) {
      Map<String, List<@Nullable Boolean>> rows = new LinkedHashMap<>();
      for (Counted one : counted) {
        List<Integer> picked = one.answer.said().picked();
        if (one.trial.task() != task || picked == null) continue;
        for (int k = 0; k < one.trial.images().size(); k++) {
          row(rows, one.trial.id() + " " + k)
              .set(annotators.indexOf(one.annotator), picked.contains(k));
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
        for (Counted one : counted) {
          if (one.trial.task() != task || unit(one).kind() != LabelledKind.FEATURE) continue;
          byUnit.computeIfAbsent(one.trial.unit(), u -> new ArrayList<>()).add(accuracy(one));
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
  }
}
