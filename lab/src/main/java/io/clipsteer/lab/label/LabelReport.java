// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import io.clipsteer.data.stats.Bootstrap;
import io.clipsteer.data.stats.Correlation;
import io.clipsteer.data.stats.Median;
import io.clipsteer.lab.label.LabelPlan.LabelTrial;
import io.clipsteer.lab.label.LabelPlan.TrialRole;
import io.clipsteer.lab.label.LabelledUnit.LabelledKind;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What the answers to a plan say.
 *
 * @param annotators all who have answered
 * @param results accuracies by task and kind of unit
 * @param oneIdea share of sheets with one idea, by kind of unit
 * @param byLayer accuracies of trained features by task and layer
 * @param byStratum accuracies of trained features by task and quarter of frequency, 0 rarest
 * @param agreements of annotators
 * @param repeats of trials that were shown twice
 * @param scores how the index's scores go with people's accuracies
 * @param units those with an answer
 */
public record LabelReport(
    PlanFacts plan,
    List<AnnotatorResult> annotators,
    List<TaskResult> results,
    List<KindResult> oneIdea,
    List<PartResult> byLayer,
    List<PartResult> byStratum,
    List<AgreementResult> agreements,
    List<RepeatResult> repeats,
    List<ScoreResult> scores,
    List<UnitResult> units) {
  /** An annotator counts from this share of right catch trials on. */
  public static final double CAUGHT = 0.8;

  /** An annotator counts from this median of milliseconds a trial on. */
  public static final long FASTEST_MS = 1000;

  /**
   * The plan that is answered.
   *
   * @param hash {@link PlanFolder#hash}
   * @param run as it was named
   * @param source of the images, as it was named
   * @param images that the units were measured on
   * @param units that are evaluated, by kind
   */
  public record PlanFacts(
      String hash,
      String run,
      String source,
      int images,
      long seed,
      Map<LabelledKind, Integer> units) {}

  /**
   * An annotator.
   *
   * @param answers to all trials
   * @param caught share of the catch trials that are right; null where none is answered
   * @param medianMs median of the milliseconds that an answer took; null where none is known, as of
   *     answers that were collected elsewhere
   * @param heatMaps share of the naming trials with heat maps switched on; null without any
   * @param excluded why the answers do not count; null where they do
   */
  public record AnnotatorResult(
      String annotator,
      int answers,
      @Nullable Double caught,
      @Nullable Double medianMs,
      @Nullable Double heatMaps,
      @Nullable String excluded) {}

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

  /**
   * Trials that an annotator saw twice, of all annotators that count.
   *
   * @param same share of them that were answered alike: the same choice, or as many ideas
   */
  public record RepeatResult(LabelTask task, int trials, double same) {}

  /**
   * What was said of a unit.
   *
   * @param number as {@link LabelledUnit#number}
   * @param active share of the images on which it is active
   * @param indexName null where the index has none
   * @param names that annotators gave
   * @param oneIdea share of the naming answers that see one idea; null without any
   * @param accuracy by task
   */
  public record UnitResult(
      LabelledKind kind,
      String sae,
      int layer,
      int number,
      double active,
      @Nullable String indexName,
      List<String> names,
      @Nullable Double oneIdea,
      Map<LabelTask, Double> accuracy,
      int answers) {}

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
    List<AnnotatorResult> annotators = new ArrayList<>();
    List<CountedAnswer> firsts = new ArrayList<>();
    Map<LabelTask, List<Double>> repeats = new TreeMap<>();
    for (String annotator : folder.annotators()) {
      List<CountedAnswer> own = new ArrayList<>();
      for (LabelAnswer answer : AnswerLog.open(folder, annotator).answers()) {
        LabelTrial trial = trials.get(answer.trial());
        if (trial != null && answer.said().skipped() == null) {
          own.add(new CountedAnswer(annotator, trial, answer));
        }
      }
      AnnotatorResult result = result(annotator, own);
      annotators.add(result);
      if (result.excluded == null) split(own, firsts, repeats);
    }
    LabelFigures figures = new LabelFigures(plan, counted(annotators), firsts);
    return new LabelReport(
        facts(folder, plan),
        annotators,
        figures.results(),
        figures.oneIdea(),
        figures.parts(LabelledUnit::layer),
        figures.parts(LabelledUnit::stratum),
        figures.agreements(),
        repeats.entrySet().stream()
            .map(one -> new RepeatResult(one.getKey(), one.getValue().size(), mean(one.getValue())))
            .toList(),
        figures.scores(further),
        figures.units());
  }

  /** The annotators whose answers count. */
  public List<String> counted() {
    return counted(annotators);
  }

  private static List<String> counted(List<AnnotatorResult> annotators) {
    return annotators.stream()
        .filter(one -> one.excluded == null)
        .map(AnnotatorResult::annotator)
        .toList();
  }

  private static PlanFacts facts(PlanFolder folder, LabelPlan plan) {
    Map<LabelledKind, Integer> units = new TreeMap<>();
    for (LabelledUnit unit : plan.studied()) units.merge(unit.kind(), 1, Integer::sum);
    return new PlanFacts(
        folder.hash(), plan.run(), plan.source(), plan.images(), plan.seed(), units);
  }

  private static AnnotatorResult result(String annotator, List<CountedAnswer> own) {
    Double caught = mean(own, one -> one.is(TrialRole.CATCH), CountedAnswer::accuracy);
    Double heatMaps =
        mean(
            own,
            one -> one.trial().task() == LabelTask.NAMING,
            one -> one.answer().heatMaps() > 0 ? 1 : 0);
    double[] times =
        own.stream().mapToDouble(one -> one.answer().milliseconds()).filter(ms -> ms > 0).toArray();
    Double median = times.length == 0 ? null : (Double) Median.of(times).value();
    return new AnnotatorResult(
        annotator, own.size(), caught, median, heatMaps, reason(caught, median));
  }

  /** Why an annotator's answers do not count; null where they do. */
  private static @Nullable String reason(@Nullable Double caught, @Nullable Double median) {
    if (caught == null) return "no catch trial is answered yet";
    if (caught < CAUGHT) {
      return "%.0f %% of the catch trials are right, fewer than %.0f %%"
          .formatted(100 * caught, 100 * CAUGHT);
    }
    if (median == null || median >= FASTEST_MS) return null;
    return "the median answer took %.0f ms".formatted(median);
  }

  private static @Nullable Double mean(
      List<CountedAnswer> own,
      Predicate<CountedAnswer> which,
      ToDoubleFunction<CountedAnswer> value) {
    OptionalDouble mean = own.stream().filter(which).mapToDouble(value).average();
    return mean.isPresent() ? (Double) mean.getAsDouble() : null;
  }

  private static double mean(List<Double> all) {
    return all.stream().mapToDouble(Double::doubleValue).average().orElse(Double.NaN);
  }

  /** Each main trial's first answer, and whether a second one is like it. */
  private static void split(
      List<CountedAnswer> own, List<CountedAnswer> firsts, Map<LabelTask, List<Double>> repeats) {
    Map<String, CountedAnswer> seen = new HashMap<>();
    for (CountedAnswer one : own) {
      if (!one.is(TrialRole.MAIN)) continue;
      CountedAnswer first = seen.putIfAbsent(one.trial().id(), one);
      if (first == null) firsts.add(one);
      else {
        repeats
            .computeIfAbsent(one.trial().task(), task -> new ArrayList<>())
            .add(one.isLike(first) ? 1.0 : 0.0);
      }
    }
  }
}
