// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.cue;

import io.clipsteer.data.stats.Paired;
import io.clipsteer.data.stats.Share;
import io.clipsteer.lab.suppress.GroupScore;
import io.clipsteer.lab.suppress.SuppressionReport;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The reliance of a probe on a planted cue before and after suppression, as {@code study.json} has
 * it.
 *
 * @param size of the cue
 * @param relianceBefore of the probe, on test images
 * @param relianceAfter with the selected edit; equal to before where none was selected
 * @param relianceFall part of the reliance that the edit removes; null where there was next to none
 * @param accuracyBefore of the label, on balanced test images
 * @param yesBefore share of test images answered "yes": a probe with one answer for all images
 *     relies on nothing either
 * @param yesWithoutCue share of unedited test images without the cue answered "yes"
 * @param layer of the selected edit, or null
 * @param features number of edited features
 * @param bestLayer of the best set of features on validation images, whatever it costs; null where
 *     none helps
 * @param baselines by name
 */
public record CueResult(
    double size,
    long seed,
    double relianceBefore,
    double relianceAfter,
    @Nullable Double relianceFall,
    double accuracyBefore,
    double accuracyAfter,
    double yesBefore,
    double yesWithoutCue,
    double yesAfter,
    @Nullable Integer layer,
    int features,
    @Nullable Integer bestLayer,
    Map<String, ProbeScore> baselines) {
  private static final int BOOTSTRAP = 2000;

  /** Reliance, accuracy and share of "yes" of the probe. */
  public record ProbeScore(double reliance, double accuracy, double yes) {}

  /**
   * How the best layer changes with the size of the cue: least squares of layer on log2(size).
   *
   * @param slope layers for each doubling of the side
   * @param low of a 95 % percentile interval over studies sampled with replacement
   * @param studies that had a best layer
   */
  public record Trend(double slope, double low, double high, int studies) {}

  /** The result of a report with the groups of {@link InjectedCue}. */
  static CueResult of(Cue cue, long seed, SuppressionReport report) {
    GroupScore test = report.test();
    Map<String, ProbeScore> baselines = new LinkedHashMap<>();
    for (SuppressionReport.Baseline baseline : report.baselines()) {
      baselines.put(baseline.name(), mean(baseline.scores()));
    }
    ProbeScore before = probe(test, Paired::before);
    ProbeScore after = probe(test, Paired::after);
    SuppressionReport.Chosen chosen = report.chosen();
    return new CueResult(
        cue.size(),
        seed,
        before.reliance,
        after.reliance,
        before.reliance < 0.01 ? null : 1 - after.reliance / before.reliance,
        before.accuracy,
        after.accuracy,
        before.yes,
        yes(List.of(test.groups().get(0), test.groups().get(2)), Paired::before),
        after.yes,
        chosen == null ? null : chosen.layer(),
        chosen == null ? 0 : chosen.features().length,
        bestLayer(report),
        baselines);
  }

  private static ProbeScore mean(List<GroupScore> samples) {
    List<ProbeScore> all = samples.stream().map(s -> probe(s, Paired::after)).toList();
    return new ProbeScore(
        all.stream().mapToDouble(ProbeScore::reliance).average().orElseThrow(),
        all.stream().mapToDouble(ProbeScore::accuracy).average().orElseThrow(),
        all.stream().mapToDouble(ProbeScore::yes).average().orElseThrow());
  }

  /** Groups are: "no" without and with the cue, "yes" without and with it. */
  private static ProbeScore probe(GroupScore score, Function<Paired, Share> which) {
    double[] a = score.groups().stream().mapToDouble(g -> which.apply(g).value()).toArray();
    return new ProbeScore(
        (a[0] + a[3] - a[1] - a[2]) / 2,
        which.apply(score.overall()).value(),
        yes(score.groups(), which));
  }

  /** Share of "yes" in groups of which the first half has the right answer "no". */
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
    double least = -report.validation().before(report.settings().goal(), report.study().groups());
    for (SuppressionReport.Swept swept : report.sweep()) {
      for (SuppressionReport.SetSize size : swept.sizes()) {
        if (size.dependence() == null || size.dependence() >= least) continue;
        least = size.dependence();
        best = swept.layer();
      }
    }
    return best;
  }

  /** Whether it is the result of a study of this cue and seed, with values in range. */
  boolean isOf(Cue cue, long wantedSeed) {
    // In a damaged file it may be null.
    @Nullable Map<String, ProbeScore> others = baselines;
    return size == cue.size()
        && seed == wantedSeed
        && others != null
        && others.values().stream().allMatch(Objects::nonNull)
        && Math.abs(relianceBefore) <= 1
        && accuracyBefore > 0
        && accuracyBefore <= 1;
  }

  /** The trend over studies; null where they have fewer than two sizes. */
  public static @Nullable Trend trend(List<CueResult> studies, long seed) {
    List<CueResult> known = studies.stream().filter(s -> s.bestLayer != null).toList();
    double slope = slope(known);
    if (Double.isNaN(slope)) return null;
    SplittableRandom random = new SplittableRandom(seed);
    double[] slopes = new double[BOOTSTRAP];
    for (int d = 0; d < BOOTSTRAP; d++) {
      double resampled;
      do {
        List<CueResult> sample = new ArrayList<>();
        for (int i = 0; i < known.size(); i++) sample.add(known.get(random.nextInt(known.size())));
        resampled = slope(sample);
      } while (Double.isNaN(resampled)); // All of one size.
      slopes[d] = resampled;
    }
    Arrays.sort(slopes);
    int tail = (int) Math.round(0.025 * BOOTSTRAP);
    return new Trend(slope, slopes[tail], slopes[BOOTSTRAP - 1 - tail], known.size());
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
    return Math.log(study.size) / Math.log(2);
  }

  private static double layer(CueResult study) {
    return study.bestLayer == null ? Double.NaN : study.bestLayer;
  }
}
