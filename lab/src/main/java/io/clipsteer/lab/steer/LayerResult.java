// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import io.clipsteer.data.stats.Share;
import io.clipsteer.lab.run.RunSaes;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * Steerability of the units of one kind at one hook point, as {@code steerability.json} holds it.
 *
 * @param layer block of the hook point
 * @param unit kind
 * @param hookPoint in peers' style
 * @param sae the SAE's folder for features, else empty
 * @param set strength that the units are set to
 * @param norm median over units of the mean length of edited tokens, divided by that before
 * @param nearest median over units of the mean distance of edited tokens to the nearest real one,
 *     divided by that before
 * @param n number of units
 * @param images images evaluated
 * @param meanS mean S
 * @param meanUnbiased mean of the unbiased form
 * @param meanSemantic mean of the semantic form
 * @param meanSigmoid mean over units of the change of the sigmoid probability of the word that each
 *     promotes most; null where there is none
 * @param shareAboveTau share of units with unbiased S above τ
 * @param shareLow lower end of its 95 % interval, for units that stand for more of their kind and
 *     images that stand for more like them
 * @param shareHigh upper end
 * @param shareOfS share of units with S above τ, as in the paper
 * @param coverage distinct words that are promoted most by some steerable unit
 * @param curve share and coverage at other τ
 * @param evaluated (unit, image) pairs that were computed
 * @param dose medians over {@code doses}, where there are any
 * @param seconds for these units
 * @param scores of every unit
 * @param doses of the most steerable features; perhaps none
 * @param raised of steerable features, whose names rise
 * @param resampled the units in the bootstrap's samples
 */
public record LayerResult(
    int layer,
    SteeredUnits.UnitKind unit,
    String hookPoint,
    String sae,
    Strength set,
    double norm,
    double nearest,
    int n,
    int images,
    double meanS,
    @JsonProperty("mean_s_unbiased") double meanUnbiased,
    @JsonProperty("mean_s_semantic") double meanSemantic,
    @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Double meanSigmoid,
    double shareAboveTau,
    double shareLow,
    double shareHigh,
    @JsonProperty("share_above_tau_of_s") double shareOfS,
    int coverage,
    List<AtTau> curve,
    long evaluated,
    @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable DoseMedians dose,
    double seconds,
    @JsonIgnore List<UnitScore> scores,
    @JsonIgnore List<Dose> doses,
    @JsonIgnore Raised raised,
    @JsonIgnore ResampledUnits resampled) {
  private static final double[] TAUS = {0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9};

  /**
   * A point of the curve.
   *
   * @param tau the threshold of S
   * @param share of units above it
   * @param coverage distinct words that these promote most
   */
  public record AtTau(double tau, double share, int coverage) {}

  /**
   * What was measured.
   *
   * @param one the SAE whose features, or at whose hook point
   * @param set strength of the units
   * @param images evaluated
   * @param tau steerable from here
   * @param own whether a dose-response is in the features' own units
   */
  record MeasuredSite(
      RunSaes.One one,
      SteeredUnits.UnitKind kind,
      Strength set,
      int images,
      double tau,
      boolean own) {}

  /**
   * Summarises the measured units of one kind.
   *
   * @param site what was measured
   * @param off median relative length, and relative distance to the nearest
   */
  static LayerResult of(
      MeasuredSite site, SteerabilityFolder.Part units, double[] off, List<Dose> doses) {
    RunSaes.One one = site.one;
    SteeredUnits.UnitKind kind = site.kind;
    int images = site.images;
    double tau = site.tau;
    List<UnitScore> scores = List.copyOf(units.scores());
    int n = scores.size();
    int groups = Tally.groups(0, images);
    Share share =
        Share.of(steerable(scores, tau), n, units.resampled().variance(n, groups), groups);
    return new LayerResult(
        one.point().layer(),
        kind,
        one.point().peerName(),
        kind == SteeredUnits.UnitKind.FEATURES ? one.entry().folder() : "",
        site.set,
        off[0],
        off[1],
        n,
        images,
        mean(scores, UnitScore::s),
        mean(scores, UnitScore::unbiased),
        mean(scores, UnitScore::semantic),
        meanSigmoid(scores),
        share.value(),
        share.low(),
        share.high(),
        (double) scores.stream().filter(score -> score.s() > tau).count() / n,
        coverage(scores, tau),
        Arrays.stream(TAUS)
            .mapToObj(
                t ->
                    new AtTau(
                        t, (double) steerable(scores, t) / scores.size(), coverage(scores, t)))
            .toList(),
        units.evaluated(),
        doses.isEmpty() ? null : DoseMedians.of(doses, site.own),
        units.seconds(),
        scores,
        List.copyOf(doses),
        units.raised(),
        units.resampled());
  }

  /** The share of units with unbiased S above τ. */
  public Share share() {
    return new Share(shareAboveTau, shareLow, shareHigh, n);
  }

  // Not a stream's sum, whose compensation would change the last digit.
  private static double mean(List<UnitScore> scores, ToDoubleFunction<UnitScore> number) {
    double sum = 0;
    for (UnitScore score : scores) sum += number.applyAsDouble(score);
    return sum / scores.size();
  }

  private static @Nullable Double meanSigmoid(List<UnitScore> scores) {
    List<Double> known = scores.stream().map(UnitScore::sigmoid).filter(Objects::nonNull).toList();
    if (known.isEmpty()) return null;
    double sum = 0;
    for (double one : known) sum += one;
    return sum / known.size();
  }

  private static int steerable(List<UnitScore> scores, double tau) {
    return (int) scores.stream().filter(score -> score.isAbove(tau)).count();
  }

  private static int coverage(List<UnitScore> scores, double tau) {
    return (int)
        scores.stream()
            .filter(score -> score.isAbove(tau) && score.top() >= 0)
            .mapToInt(UnitScore::top)
            .distinct()
            .count();
  }
}
