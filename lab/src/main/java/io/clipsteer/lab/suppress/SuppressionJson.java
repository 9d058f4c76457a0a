// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.data.stats.McNemar;
import io.clipsteer.data.stats.Paired;
import io.clipsteer.data.stats.Share;
import io.clipsteer.lab.run.Versions;
import io.clipsteer.lab.study.Groups;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * {@code report.json} of a suppression; docs/metrics.md defines the keys.
 *
 * @param dealt whether the seed made the splits
 * @param nothingChosen why no edit was selected, or null
 * @param stability of the selection, absent where nothing was selected
 * @param harm as {@link GroupScore#harm}, of the selected edit on test images
 * @param against as {@link SuppressionReport#against}, absent where there is none
 * @param skipped images that could not be read
 * @param defence of a study of written words, else absent
 * @param combined defences of Defense-Prefix, absent where it was not learnt
 */
public record SuppressionJson(
    int protocol,
    String clipsteer,
    String model,
    String data,
    boolean dealt,
    @JsonUnwrapped Accuracy accuracy,
    @Nullable String nothingChosen,
    @JsonUnwrapped Selected selected,
    @JsonUnwrapped SuppressionSettings.Method method,
    List<Group> groups,
    @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Stability stability,
    Power power,
    double harm,
    List<SuppressionReport.Baseline> baselines,
    @JsonInclude(JsonInclude.Include.NON_NULL) SuppressionReport.@Nullable Against against,
    Map<String, String> baselinesSkipped,
    List<SuppressionReport.Swept> sweep,
    List<SuppressionReport.Tried> tried,
    @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Defence defence,
    @JsonInclude(JsonInclude.Include.NON_EMPTY) List<SuppressionReport.Defended> combined,
    int skipped,
    double seconds) {
  /** The form of the file. */
  public static final int PROTOCOL = 2;

  /** Accuracies on test images. */
  public record Accuracy(
      double baselineWga,
      double editedWga,
      double wgaLow,
      double wgaHigh,
      double gainLow,
      double gainHigh,
      String worstGroup,
      double mcnemarP,
      double overallBefore,
      double overallAfter,
      double overallP,
      @Nullable Double cleanBefore,
      @Nullable Double cleanAfter) {
    static Accuracy of(SuppressionReport report) {
      GroupScore test = report.test();
      Share after = test.worstGroupAfter().after();
      Paired.Interval gain = report.gain();
      Paired overall = test.overall();
      return new Accuracy(
          test.worstBefore(),
          test.worstAfter(),
          after.low(),
          after.high(),
          gain.low(),
          gain.high(),
          report.study().groups().names().get(report.worst()),
          test.test(report.worst()).p(),
          overall.before().value(),
          overall.after().value(),
          overall.test().p(),
          test.cleanBefore(),
          test.cleanAfter());
    }
  }

  /** The selected edit; null and without features where there is none. */
  public record Selected(
      @Nullable Integer layer,
      @Nullable String hookPoint,
      @Nullable String sae,
      @Nullable String tokens,
      int[] features,
      List<SuppressionReport.Reason> reasons) {
    static Selected of(SuppressionReport.@Nullable Chosen chosen) {
      return chosen == null
          ? new Selected(null, null, null, null, new int[0], List.of())
          : new Selected(
              chosen.layer(),
              chosen.hookPoint(),
              chosen.sae(),
              chosen.tokens(),
              chosen.features(),
              chosen.reasons());
    }
  }

  /** A group on test images. */
  public record Group(
      String group, int n, Share before, Share after, int gained, int lost, double p) {
    public static Group of(String name, Paired paired) {
      return new Group(
          name,
          paired.n(),
          paired.before(),
          paired.after(),
          paired.gained(),
          paired.lost(),
          paired.test().p());
    }
  }

  /**
   * Power of the test in the worst group.
   *
   * @param n its test images
   * @param atValidationEffect probability that the test finds an effect of validation's size
   * @param smallestGain rise that the test finds with a probability of 80 %
   */
  public record Power(
      int n,
      double alpha,
      @Nullable Double atValidationEffect,
      @JsonProperty("smallest_gain_at_80_percent") @Nullable Double smallestGain) {
    private static final double ALPHA = 0.05;
    private static final double POWER = 0.8;

    static Power of(SuppressionReport report) {
      Paired group = report.validation().groups().get(report.worst());
      int n = report.test().groups().get(report.worst()).n();
      if (group.n() == 0 || n == 0) return new Power(n, ALPHA, null, null);
      double gained = (double) group.gained() / group.n();
      double lost = (double) group.lost() / group.n();
      double found = McNemar.power(n, gained, lost, ALPHA);
      double detectable = McNemar.smallestGain(n, lost, ALPHA, POWER) - lost;
      return new Power(n, ALPHA, finite(found), finite(detectable));
    }

    private static @Nullable Double finite(double x) {
      return Double.isFinite(x) ? x : null;
    }
  }

  /**
   * The edit as a defence against written words.
   *
   * @param clean accuracy without writing
   * @param attacked accuracy with writing
   * @param defended accuracy with writing and the edit
   * @param cleanAfter accuracy without writing, with the edit
   * @param wonBack part of the attack's cost that the edit restores; null where the attack costs
   *     nothing
   */
  public record Defence(
      Share clean,
      Share attacked,
      Share defended,
      Share cleanAfter,
      @Nullable Double wonBack,
      double mcnemarP) {
    static Defence of(GroupScore test) {
      Paired plain = test.groups().get(0);
      Paired written = test.groups().get(1);
      double cost = plain.before().value() - written.before().value();
      double restored = written.after().value() - written.before().value();
      return new Defence(
          plain.before(),
          written.before(),
          written.after(),
          plain.after(),
          cost > 0 ? restored / cost : null,
          test.test(1).p());
    }
  }

  static SuppressionJson of(SuppressionReport report) {
    Groups groups = report.study().groups();
    GroupScore test = report.test();
    return new SuppressionJson(
        PROTOCOL,
        Versions.CLIPSTEER,
        report.model(),
        report.study().source(),
        report.study().dealt(),
        Accuracy.of(report),
        report.chosen() == null ? report.whyNothing() : null,
        Selected.of(report.chosen()),
        report.settings().method(),
        IntStream.range(0, groups.count())
            .filter(g -> test.groups().get(g).n() > 0)
            .mapToObj(g -> Group.of(groups.names().get(g), test.groups().get(g)))
            .toList(),
        report.stability(),
        Power.of(report),
        test.harm(),
        report.baselines(),
        report.against(),
        report.skippedBaselines(),
        report.sweep(),
        report.tried(),
        groups.clean() >= 0 ? Defence.of(test) : null,
        report.defences(),
        report.skipped().size(),
        report.seconds());
  }
}
