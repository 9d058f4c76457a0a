// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.cue;

import io.clipsteer.data.stats.Paired;
import io.clipsteer.data.stats.Share;
import io.clipsteer.lab.study.Groups;
import io.clipsteer.lab.suppress.Candidate;
import io.clipsteer.lab.suppress.Choice;
import io.clipsteer.lab.suppress.GroupScore;
import io.clipsteer.lab.suppress.SuppressionReport;
import io.clipsteer.lab.suppress.SuppressionSettings;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What suppression did to the reliance on a planted cue.
 *
 * @param reliance the probe's on test images, before
 * @param accuracy of the label on balanced test images, before
 * @param yes share of test images answered "yes", before: a probe that always says the same leans
 *     on nothing either
 * @param plainYes the same of those without the cue
 * @param after with the edit; equal to before where nothing was chosen
 * @param bestLayer of the best set of features on validation images, the budget aside; null where
 *     none helps
 * @param baselines by name
 */
public record CueResult(
    Cue cue,
    long seed,
    double reliance,
    double accuracy,
    double yes,
    double plainYes,
    After after,
    @Nullable Integer layer,
    int features,
    @Nullable Integer bestLayer,
    Map<String, After> baselines) {
  private static final int DRAWS = 2000;

  /** Reliance, accuracy and share of "yes" with an edit. */
  public record After(double reliance, double accuracy, double yes) {}

  /**
   * How the best layer changes with the size of the cue: least squares of layer on log2(size).
   *
   * @param slope layers for each doubling of the side
   * @param low of a 95 % percentile interval over studies drawn with replacement
   * @param studies that had a best layer
   */
  public record Trend(double slope, double low, double high, int studies) {}

  /** Of a study's report, groups in its order. */
  public static CueResult of(Cue cue, long seed, SuppressionReport report) {
    GroupScore test = report.test();
    Map<String, After> baselines = new LinkedHashMap<>();
    for (SuppressionReport.Baseline baseline : report.baselines()) {
      List<After> draws = baseline.scores().stream().map(s -> after(s, Paired::after)).toList();
      baselines.put(
          baseline.candidate().family().word(),
          new After(
              draws.stream().mapToDouble(After::reliance).average().orElseThrow(),
              draws.stream().mapToDouble(After::accuracy).average().orElseThrow(),
              draws.stream().mapToDouble(After::yes).average().orElseThrow()));
    }
    After before = after(test, Paired::before);
    SuppressionReport.Chosen chosen = report.chosen();
    return new CueResult(
        cue,
        seed,
        before.reliance,
        before.accuracy,
        before.yes,
        yes(List.of(test.groups().get(0), test.groups().get(2)), Paired::before),
        after(test, Paired::after),
        chosen == null ? null : chosen.layer(),
        chosen == null ? 0 : chosen.features().length,
        bestLayer(report),
        baselines);
  }

  /** Groups are: no without and with the cue, yes without and with it. */
  private static After after(GroupScore score, Function<Paired, Share> which) {
    double[] a = score.groups().stream().mapToDouble(g -> which.apply(g).value()).toArray();
    return new After(
        (a[0] + a[3] - a[1] - a[2]) / 2,
        which.apply(score.overall()).value(),
        yes(score.groups(), which));
  }

  /** Of groups of which the first half is of the answer "no". */
  static double yes(List<Paired> groups, Function<Paired, Share> which) {
    double yes = 0;
    int n = 0;
    for (int g = 0; g < groups.size(); g++) {
      Paired group = groups.get(g);
      double right = which.apply(group).value();
      yes += group.n() * (g < groups.size() / 2 ? 1 - right : right);
      n += group.n();
    }
    return yes / n;
  }

  private static @Nullable Integer bestLayer(SuppressionReport report) {
    Integer best = null;
    SuppressionSettings.Goal goal = report.settings().goal();
    Groups groups = report.study().groups();
    double most = report.validation().before(goal, groups);
    for (SuppressionReport.Swept swept : report.sweep()) {
      for (Choice choice : swept.sizes()) {
        if (choice.candidate().family() != Candidate.Family.FEATURES) continue;
        double reached = choice.score().after(goal, groups);
        if (reached <= most) continue;
        most = reached;
        best = swept.layer();
      }
    }
    return best;
  }

  /** Whether it is whole, and of this cue and seed. */
  public boolean isOf(Cue wanted, long wantedSeed) {
    // Read from a file, what is missing there is null or 0.
    @Nullable Cue own = cue;
    @Nullable After then = after;
    @Nullable Map<String, After> others = baselines;
    return wanted.equals(own)
        && seed == wantedSeed
        && then != null
        && others != null
        && others.values().stream().allMatch(Objects::nonNull)
        && Math.abs(reliance) <= 1
        && accuracy > 0
        && accuracy <= 1;
  }

  /** The part of the reliance that is gone; null where there was next to none. */
  public @Nullable Double fall() {
    return reliance < 0.01 ? null : 1 - after.reliance / reliance;
  }

  /** Over studies with at least two sizes; null where there are none. */
  public static @Nullable Trend trend(List<CueResult> studies, long seed) {
    List<CueResult> known = studies.stream().filter(s -> s.bestLayer != null).toList();
    double slope = slope(known);
    if (Double.isNaN(slope)) return null;
    SplittableRandom random = new SplittableRandom(seed);
    double[] slopes = new double[DRAWS];
    for (int d = 0; d < DRAWS; d++) {
      double drawn;
      do {
        List<CueResult> draw = new ArrayList<>();
        for (int i = 0; i < known.size(); i++) draw.add(known.get(random.nextInt(known.size())));
        drawn = slope(draw);
      } while (Double.isNaN(drawn)); // all of one size
      slopes[d] = drawn;
    }
    java.util.Arrays.sort(slopes);
    int tail = (int) Math.round(0.025 * DRAWS);
    return new Trend(slope, slopes[tail], slopes[DRAWS - 1 - tail], known.size());
  }

  private static double slope(List<CueResult> studies) {
    double x = 0;
    double y = 0;
    for (CueResult study : studies) {
      x += log(study) / studies.size();
      y += layer(study) / studies.size();
    }
    double xx = 0;
    double xy = 0;
    for (CueResult study : studies) {
      xx += (log(study) - x) * (log(study) - x);
      xy += (log(study) - x) * (layer(study) - y);
    }
    return xx < 1e-12 ? Double.NaN : xy / xx;
  }

  private static double log(CueResult study) {
    return Math.log(study.cue.size()) / Math.log(2);
  }

  private static double layer(CueResult study) {
    return study.bestLayer == null ? Double.NaN : study.bestLayer;
  }
}
