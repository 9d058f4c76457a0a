// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonInclude;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.stats.Paired;
import io.clipsteer.data.stats.Share;
import io.clipsteer.data.stats.SignFlip;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.study.Groups;
import io.clipsteer.lab.study.Study;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The result of a suppression; docs/metrics.md defines every number.
 *
 * @param model path of the checkpoint
 * @param chosen the selected edit, or null where no edit improves validation
 * @param validation scores of the selected edit, or without an edit, on validation images
 * @param stability of the selection, or null
 * @param test scores of the same on test images
 * @param sweep by SAE, on validation images
 * @param tried all edits that were selected from, on validation images
 * @param baselines on test images
 * @param against the features against the best baseline; null where either is missing
 * @param skippedBaselines baselines that were not evaluated, each with its reason
 * @param prefixedTexts the targets' embeddings with the learnt Defense-Prefix, or null
 * @param defences Defense-Prefix alone and with the edit, beside neither, on test images
 * @param skipped images that could not be read
 */
public record SuppressionReport(
    String model,
    Study study,
    SuppressionSettings settings,
    @Nullable Chosen chosen,
    GroupScore validation,
    @Nullable Stability stability,
    GroupScore test,
    List<Swept> sweep,
    List<Tried> tried,
    List<Baseline> baselines,
    @Nullable Against against,
    Map<String, String> skippedBaselines,
    @Nullable TextLibrary prefixedTexts,
    List<Defended> defences,
    List<ImageLoader.Skipped> skipped,
    double seconds) {
  private static final int BOOTSTRAP = 2000;

  /**
   * The selected edit.
   *
   * @param features numbers, best ranked first
   * @param rule what becomes of them
   * @param reasons why each feature was taken
   */
  public record Chosen(
      int layer,
      String hookPoint,
      String tokens,
      String sae,
      int[] features,
      Rule rule,
      List<Reason> reasons) {
    static Chosen of(Candidate candidate, List<Reason> reasons) {
      Edit edit = candidate.edit();
      if (!(edit.target() instanceof Edit.Features features)) {
        throw new IllegalArgumentException("the method changes features");
      }
      return new Chosen(
          candidate.site().point().layer(),
          candidate.site().point().peerName(),
          candidate.site().tokens().text(),
          candidate.sae(),
          features.ids(),
          edit.rule(),
          reasons);
    }
  }

  /**
   * Why a feature was taken, on training images.
   *
   * @param value activation that it becomes, or its cap
   * @param strength part of that change
   * @param meanWith mean activation over tokens of images with the attribute, as the mean
   *     difference averages it
   * @param meanWithout the same without the attribute
   * @param marginRise mean rise of the right answer's margin, in logits, when this feature alone is
   *     edited, on images of the groups with less than mean accuracy
   */
  public record Reason(
      int feature,
      double value,
      double strength,
      double meanWith,
      double meanWithout,
      double marginRise) {}

  /**
   * An SAE on validation images.
   *
   * @param size of its best set; 0 where none improves validation
   * @param wga worst-group accuracy with the best set, or null
   * @param p McNemar's of the best set in the worst group
   * @param pHolm the same, adjusted over the SAEs
   * @param sizes all its sets
   */
  public record Swept(
      int layer,
      String sae,
      int size,
      @Nullable Double wga,
      double p,
      double pHolm,
      List<SetSize> sizes) {}

  /**
   * A set of features on validation images.
   *
   * @param edit its rule
   * @param wga worst-group accuracy
   * @param loss points of accuracy lost
   * @param images that it was evaluated on
   * @param dependence on the attribute where the goal is independence, else null
   */
  public record SetSize(
      int size,
      String edit,
      double wga,
      double loss,
      int images,
      @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Double dependence) {
    static SetSize of(Choice choice, Groups groups, SuppressionSettings settings) {
      SuppressionSettings.Goal goal = settings.goal();
      boolean independence = goal == SuppressionSettings.Goal.INDEPENDENCE;
      GroupScore score = choice.score();
      return new SetSize(
          choice.candidate().size(),
          choice.candidate().rule(),
          score.worstAfter(),
          score.loss(),
          choice.images(),
          independence ? -score.after(goal, groups) : null);
    }
  }

  /**
   * A baseline on test images; accuracies are means over samples.
   *
   * @param edit its rule
   * @param wga worst-group accuracy
   * @param inWorstGroup accuracy in the group that is worst on validation images without an edit
   * @param p of the change in that group: McNemar's for a single score, else the sign-flip test
   *     that the mean change over samples is 0
   * @param draws worst-group accuracy of each sample
   * @param groups accuracy in each group with images
   * @param harm as {@link GroupScore#harm}
   * @param scores one for each random sample; a single one where nothing is random
   */
  public record Baseline(
      String name,
      double wga,
      double inWorstGroup,
      double p,
      int layer,
      int size,
      String edit,
      List<Double> draws,
      double overall,
      List<Double> groups,
      double harm,
      @JsonIgnore List<GroupScore> scores) {
    static Baseline of(Candidate candidate, List<GroupScore> scores, int worst) {
      return new Baseline(
          candidate.family().toString(),
          mean(scores, GroupScore::worstAfter),
          mean(scores, score -> score.groups().get(worst).after().value()),
          p(scores, worst),
          candidate.site().point().layer(),
          candidate.size(),
          candidate.rule(),
          scores.stream().map(GroupScore::worstAfter).toList(),
          mean(scores, score -> score.overall().after().value()),
          IntStream.range(0, scores.getFirst().filled().size())
              .mapToObj(g -> mean(scores, score -> score.filled().get(g).after().value()))
              .toList(),
          mean(scores, GroupScore::harm),
          scores);
    }

    private static double mean(List<GroupScore> scores, ToDoubleFunction<GroupScore> figure) {
      return scores.stream().mapToDouble(figure).average().orElseThrow();
    }

    private static double p(List<GroupScore> scores, int worst) {
      if (scores.size() == 1) return scores.getFirst().test(worst).p();
      // The sample is the unit of repetition: one random edit can help and prove nothing for
      // others.
      return SignFlip.p(
          scores.stream()
              .map(score -> score.groups().get(worst))
              .mapToDouble(g -> g.n() == 0 ? 0 : (double) (g.gained() - g.lost()) / g.n())
              .toArray());
    }
  }

  /**
   * The features against the baseline with the highest worst-group accuracy on test images.
   *
   * @param difference worst-group accuracy of the features minus the baseline's
   * @param low of its 95 % interval
   * @param p of the paired permutation test that both are equal
   * @param overall accuracy over all groups of the features minus the baseline's
   */
  public record Against(
      String baseline, double difference, double low, double high, double p, double overall) {
    /** Exchanges of the permutation test. */
    static final int EXCHANGES = 10_000;

    /**
     * Compares.
     *
     * @param paired answers with the baseline (before) and with the features (after)
     */
    static Against of(String baseline, GroupScore paired, long seed) {
      Paired.Interval interval = Paired.worstGain(paired.filled(), BOOTSTRAP, seed);
      Paired all = paired.overall();
      return new Against(
          baseline,
          paired.worstAfter() - paired.worstBefore(),
          interval.low(),
          interval.high(),
          Paired.worstGainP(paired.filled(), EXCHANGES, seed),
          all.after().value() - all.before().value());
    }
  }

  /**
   * An edit on validation images, for the trade-off between the worst group and all images.
   *
   * @param method the family: features, or a baseline
   * @param images that it was evaluated on
   */
  public record Tried(
      String method,
      int layer,
      int size,
      String edit,
      double wga,
      double overall,
      double loss,
      int images) {
    static Tried of(Choice choice) {
      Candidate candidate = choice.candidate();
      GroupScore score = choice.score();
      return new Tried(
          candidate.family().toString(),
          candidate.site().point().layer(),
          candidate.size(),
          candidate.rule(),
          score.worstAfter(),
          score.overall().after().value(),
          score.loss(),
          choice.images());
    }
  }

  /**
   * A defence against written words, on test images.
   *
   * @param name of the defence
   * @param clean accuracy without writing
   * @param attacked accuracy with it
   * @param p of the change that the defence makes to attacked images (exact McNemar)
   */
  public record Defended(String name, Share clean, Share attacked, double p) {}

  /** The same with further images that were skipped before the study. */
  public SuppressionReport withSkipped(List<ImageLoader.Skipped> more) {
    List<ImageLoader.Skipped> all = new ArrayList<>(more);
    all.addAll(skipped);
    return new SuppressionReport(
        model,
        study,
        settings,
        chosen,
        validation,
        stability,
        test,
        sweep,
        tried,
        baselines,
        against,
        skippedBaselines,
        prefixedTexts,
        defences,
        List.copyOf(all),
        seconds);
  }

  /**
   * The group with the lowest accuracy on validation images without an edit. It is named before the
   * test images are read, so that the test is of one hypothesis.
   */
  public int worst() {
    return validation.worstGroup();
  }

  /** 95 % interval of the rise of worst-group accuracy on test images. */
  public Paired.Interval gain() {
    return Paired.worstGain(test.filled(), BOOTSTRAP, settings.seed());
  }

  /** As {@code report.json} and {@code --json} have it. */
  public SuppressionJson json() {
    return SuppressionJson.of(this);
  }

  /** Why no set of features was selected, and what might help. */
  public String whyNothing() {
    List<SetSize> sizes = sweep.stream().flatMap(s -> s.sizes.stream()).toList();
    List<SetSize> better = sizes.stream().filter(s -> s.wga > validation.worstBefore()).toList();
    String sets = Counted.of(sizes.size(), "set") + " of features";
    if (sizes.isEmpty()) {
      return "Nothing was selected: no feature is more active on training images with the attribute"
          + " than on those without. Try other --layers or --select.";
    }
    if (settings.goal() == SuppressionSettings.Goal.INDEPENDENCE) {
      return line(
          "Nothing was selected: on validation images none of %s makes answers less dependent on"
              + " the attribute at a cost of at most %s points of accuracy.",
          sets, settings.maxLoss());
    }
    if (better.isEmpty()) {
      return line(
          "Nothing was selected: on validation images none of %s raises the worst group above"
              + " %.1f %% (the best reaches %.1f %%). Try other --layers, --select, --edit or more"
              + " --sizes.",
          sets,
          100 * validation.worstBefore(),
          100 * sizes.stream().mapToDouble(SetSize::wga).max().orElse(0));
    }
    return line(
        "Nothing was selected: of %s, %d raise the worst group on validation images, but each costs"
            + " more than the allowed %s points of accuracy (the cheapest %.2f). Try other"
            + " --layers, or a larger --max-clean-loss.",
        sets,
        better.size(),
        settings.maxLoss(),
        better.stream().mapToDouble(SetSize::loss).min().orElse(0));
  }

  private static String line(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
