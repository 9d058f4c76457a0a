// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.Activation;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Site;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.model.VisionTower;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.format.StoredSae;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.Reconstruction;
import io.clipsteer.lab.run.ReconstructionMeter;
import io.clipsteer.lab.run.TokenStatistics;
import io.clipsteer.lab.run.TowerWalk;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * Verifies an SAE against the claims of its files. L0, explained variance and cosine are measured
 * on images; where they differ from the claims, common mistakes are tried one by one.
 *
 * <p>A figure's gap is 1 at the edge of equality: L0 a fifth larger or smaller, or a quarter more
 * unexplained by variance (1 − EV) or cosine (1 − cos). Fixing a mistake explains a gap when every
 * claimed figure is then equal, the gap at most half, and less variance unexplained. A mistake is
 * suspected when fixing it leaves at most three fifths of the unexplained variance, unless
 * explained variance or cosine were claimed and found. GELU for QuickGELU hardly changes these
 * figures: where they agree, it is suspected when fixing it leaves 0.2 % less variance unexplained,
 * and less on so many images that a sign test gives 4 σ. A small set of images, or a layer where
 * both functions agree, cannot show it.
 *
 * @param point of the SAE's activations
 * @param tokens that the SAE was trained on
 */
public record SaeProof(
    ClipModel model, StoredSae stored, HookPoint point, TokenSelection tokens, Images batches) {
  private static final double L0_FACTOR = 1.2;
  private static final double REST_FACTOR = 1.25;

  /**
   * Less unexplained, as a share and in standard deviations of a sign test, to suspect the MLPs.
   */
  private static final double ACTIVATION_SHARE = 0.002;

  private static final double ACTIVATION_SIGMAS = 4;

  /** Most of the unexplained variance that remains after fixing a suspected mistake. */
  private static final double SUSPICIOUS_SHARE = 0.6;

  private static final double LEAST_SCALE = 0.05;

  /** Less than this unexplained is rounding. */
  private static final double LEAST_REST = 1e-6;

  /** The conclusion. */
  public enum Conclusion {
    /** Every claimed figure was found. */
    AGREES,
    /** Nothing was claimed, and fixing no mistake improves the figures much. */
    NOTHING_CLAIMED,
    /** A claimed figure was not found, and one mistake explains it. */
    EXPLAINED,
    /** Fixing one mistake improves the figures by more than chance. */
    SUSPECTED,
    /** A claimed figure was not found, and no mistake explains it. */
    UNEXPLAINED
  }

  /**
   * The figures with one mistake fixed.
   *
   * @param detail the scale, k or hook point tried; may be empty
   * @param gap largest gap to a claimed figure; NaN when nothing is claimed
   * @param better share of the images of which less is unexplained than with the mistake
   */
  public record Trial(
      SaeMistake mistake, String detail, Reconstruction figures, double gap, double better) {}

  /**
   * The verification.
   *
   * @param measured the SAE as its files describe it
   * @param claimed {@code l0}, {@code explained_variance}, {@code cosine}, as far as claimed
   * @param gap largest gap to a claimed figure; NaN when nothing is claimed
   * @param cause for {@link Conclusion#EXPLAINED} and {@link Conclusion#SUSPECTED}
   * @param tried when explained variance or cosine agreed at once, the MLPs' non-linearity only
   */
  public record ProofReport(
      long images,
      Reconstruction measured,
      SortedMap<String, Double> claimed,
      double gap,
      Conclusion verdict,
      @Nullable Trial cause,
      List<Trial> tried,
      List<ImageLoader.Skipped> skipped) {}

  /** An SAE at a hook point, with its meter. */
  private record Probe(
      @Nullable SaeMistake mistake,
      String detail,
      VisionTower tower,
      HookPoint at,
      double scale,
      ReconstructionMeter meter) {}

  /**
   * Measures, and tries mistakes unless the claims agree.
   *
   * @throws InputException when the model has another width or no such hook point
   */
  public ProofReport run(Progress progress) {
    Sae sae = stored.sae();
    VisionTower tower = model.vision();
    tower.check(point);
    if (tower.config().width() != sae.width()) {
      throw new InputException(
          model.source().path(),
          "has width " + tower.config().width() + ", and the SAE " + sae.width(),
          "Name the model that the SAE was trained on");
    }
    try (Scope scope = Scope.open()) {
      var meter = new ReconstructionMeter(sae, statistics(progress));
      return run(new Probe(null, "", tower, point, 1, meter), progress);
    }
  }

  /** A pass over the images before the SAE reads them. */
  private TokenStatistics statistics(Progress progress) {
    TokenStatistics statistics = new TokenStatistics(stored.sae().width());
    TowerWalk walk = TowerWalk.past(model.vision(), List.of(point));
    batches.forEach(
        "computing token statistics",
        model.vision().flopsPerImage() * share(),
        progress,
        (batch, pixels) ->
            walk.walk(
                pixels,
                paused -> {
                  try (Scope scope = Scope.open()) {
                    statistics.add(walk.selected(tokens, paused).toFloats());
                  }
                }));
    return statistics;
  }

  /** Share of the tower's work up to the hook point. */
  private double share() {
    return (point.layer() + 1.0) / model.vision().config().layers();
  }

  private ProofReport run(Probe asIs, Progress progress) {
    List<Probe> probes = activationProbes();
    List<Probe> first = new ArrayList<>(probes);
    first.add(asIs);
    long[] images = new long[1];
    List<ImageLoader.Skipped> skipped = pass(first, images, "measuring the SAE", progress);
    Reconstruction measured = asIs.meter().result();
    SortedMap<String, Double> claimed = claimed();
    double gap = gap(measured, claimed);
    boolean claimsQuality =
        claimed.containsKey("explained_variance") || claimed.containsKey("cosine");
    if (!claimsQuality || gap > 1) {
      List<Probe> others = otherProbes(asIs.meter());
      pass(others, new long[1], "trying mistakes", progress);
      probes.addAll(others);
    }
    List<Trial> tried = new ArrayList<>();
    for (Probe probe : probes) {
      SaeMistake mistake = probe.mistake();
      if (mistake == null) continue;
      Reconstruction figures = probe.meter().result();
      double better = better(probe.meter().unexplained(), asIs.meter().unexplained());
      tried.add(new Trial(mistake, probe.detail(), figures, gap(figures, claimed), better));
    }
    Trial cause = explaining(tried, measured, gap, claimsQuality);
    Conclusion verdict = cause == null ? Conclusion.SUSPECTED : Conclusion.EXPLAINED;
    if (cause == null && !(claimsQuality && gap <= 1)) cause = suspicious(tried, measured, gap);
    if (cause == null && !(gap > 1)) cause = otherActivation(tried, measured, images[0]);
    if (cause == null) {
      if (claimed.isEmpty()) verdict = Conclusion.NOTHING_CLAIMED;
      else verdict = gap <= 1 ? Conclusion.AGREES : Conclusion.UNEXPLAINED;
    }
    return new ProofReport(images[0], measured, claimed, gap, verdict, cause, tried, skipped);
  }

  // ---- the comparison -----------------------------------------------------------------------

  private SortedMap<String, Double> claimed() {
    SortedMap<String, Double> claimed = new TreeMap<>(stored.claims().quality());
    Integer k = stored.claims().k();
    if (k != null) claimed.putIfAbsent("l0", (double) k);
    return claimed;
  }

  private static double gap(Reconstruction found, SortedMap<String, Double> claimed) {
    if (claimed.isEmpty()) return Double.NaN;
    double worst = 0;
    for (var entry : claimed.entrySet()) {
      double claim = entry.getValue();
      double gap =
          switch (entry.getKey()) {
            case "l0" -> apart(found.l0(), claim) / Math.log(L0_FACTOR);
            case "explained_variance" -> rest(found.explainedVariance(), claim);
            default -> rest(found.cosine(), claim);
          };
      worst = Math.max(worst, Double.isNaN(gap) ? Double.POSITIVE_INFINITY : gap);
    }
    return worst;
  }

  /** Better than claimed is no gap: misreading an SAE does not improve it. */
  private static double rest(double found, double claim) {
    double left = Math.max(1 - found, LEAST_REST);
    double claimed = Math.max(1 - claim, LEAST_REST);
    return left <= claimed ? 0 : apart(left, claimed) / Math.log(REST_FACTOR);
  }

  /** |ln a/b|; infinite when one of them is not above 0. */
  private static double apart(double a, double b) {
    if (a == b) return 0;
    return a > 0 && b > 0 ? Math.abs(Math.log(a / b)) : Double.POSITIVE_INFINITY;
  }

  private static double better(List<Float> without, List<Float> with) {
    int count = 0;
    for (int i = 0; i < with.size(); i++) if (without.get(i) < with.get(i)) count++;
    return (double) count / with.size();
  }

  private static @Nullable Trial explaining(
      List<Trial> tried, Reconstruction measured, double gap, boolean claimsQuality) {
    if (!(gap > 1)) return null;
    // L0 alone says little about normalisation and biases: among those that fit, the best one.
    ToDoubleFunction<Trial> order =
        claimsQuality ? Trial::gap : trial -> -trial.figures().explainedVariance();
    return tried.stream()
        .filter(trial -> trial.gap() <= 1 && trial.gap() <= gap / 2)
        .filter(trial -> !(trial.figures().explainedVariance() < measured.explainedVariance()))
        .min(Comparator.comparingDouble(order))
        .orElse(null);
  }

  private static @Nullable Trial suspicious(
      List<Trial> tried, Reconstruction measured, double gap) {
    double most = SUSPICIOUS_SHARE * (1 - measured.explainedVariance());
    return tried.stream()
        .filter(trial -> 1 - trial.figures().explainedVariance() <= most)
        .filter(trial -> Double.isNaN(gap) || trial.gap() <= Math.max(1, gap))
        .max(Comparator.comparingDouble(trial -> trial.figures().explainedVariance()))
        .orElse(null);
  }

  private static @Nullable Trial otherActivation(
      List<Trial> tried, Reconstruction measured, long images) {
    double most = (1 - measured.explainedVariance()) * (1 - ACTIVATION_SHARE);
    return tried.stream()
        .filter(trial -> isActivation(trial.mistake()))
        .filter(trial -> 1 - trial.figures().explainedVariance() <= most)
        .filter(trial -> (2 * trial.better() - 1) * Math.sqrt(images) >= ACTIVATION_SIGMAS)
        .findFirst()
        .orElse(null);
  }

  private static boolean isActivation(SaeMistake mistake) {
    return mistake == SaeMistake.GELU_FOR_QUICK_GELU || mistake == SaeMistake.QUICK_GELU_FOR_GELU;
  }

  // ---- the mistakes -------------------------------------------------------------------------

  /** The other one of GELU and QuickGELU; nothing for a tower that has neither. */
  private List<Probe> activationProbes() {
    VisionTower tower = model.vision();
    Activation activation = tower.config().activation();
    List<Probe> probes = new ArrayList<>();
    if (activation == Activation.GELU || activation == Activation.QUICK_GELU) {
      boolean quick = activation == Activation.QUICK_GELU;
      var mistake = quick ? SaeMistake.QUICK_GELU_FOR_GELU : SaeMistake.GELU_FOR_QUICK_GELU;
      var other = tower.withActivation(quick ? Activation.GELU : Activation.QUICK_GELU);
      var meter = new ReconstructionMeter(stored.sae());
      probes.add(new Probe(mistake, "", other, point, 1, meter));
    }
    return probes;
  }

  private List<Probe> otherProbes(ReconstructionMeter meter) {
    Sae sae = stored.sae();
    List<Probe> probes = new ArrayList<>();
    for (SaeMistake mistake : SaeMistake.values()) {
      Sae other = mistake.fix(sae, stored.claims());
      if (other == null) continue;
      String detail = mistake == SaeMistake.TOPK_AS_RELU ? other.activation().toString() : "";
      probes.add(probe(mistake, detail, point, 1, other));
    }
    if (sae.normalisation() instanceof InputNormalisation.None) {
      // SAELens scales to a mean length of √d, dictionary_learning to a mean square of 1.
      for (double scale :
          new double[] {Math.sqrt(sae.width()) / meter.meanNorm(), 1 / meter.rootMeanSquare()}) {
        // Near 1 it makes no difference.
        if (!Double.isFinite(scale) || Math.abs(Math.log(scale)) < LEAST_SCALE) continue;
        String detail = "scale " + (float) scale;
        probes.add(probe(SaeMistake.ACTIVATIONS_NOT_SCALED, detail, point, scale, sae));
      }
    }
    for (HookPoint near : neighbours()) {
      probes.add(probe(SaeMistake.OTHER_HOOK_POINT, near.peerName(), near, 1, sae));
    }
    return probes;
  }

  private Probe probe(SaeMistake mistake, String detail, HookPoint at, double scale, Sae sae) {
    return new Probe(mistake, detail, model.vision(), at, scale, new ReconstructionMeter(sae));
  }

  /** The block's other site, and the same site of the blocks before and after. */
  private List<HookPoint> neighbours() {
    Site other = point.site() == Site.RESID_POST ? Site.MLP_OUT : Site.RESID_POST;
    List<HookPoint> near = new ArrayList<>();
    near.add(new HookPoint(point.tower(), point.layer(), other));
    for (int layer : new int[] {point.layer() - 1, point.layer() + 1}) {
      if (layer < 0 || layer >= model.vision().config().layers()) continue;
      near.add(new HookPoint(point.tower(), layer, point.site()));
    }
    return near;
  }

  /** One pass over the images, each tower run once a batch. */
  private List<ImageLoader.Skipped> pass(
      List<Probe> probes, long[] images, String what, Progress progress) {
    List<VisionTower> towers = probes.stream().map(Probe::tower).distinct().toList();
    return batches.forEach(
        what,
        model.vision().flopsPerImage() * share() * towers.size(),
        progress,
        (batch, pixels) -> {
          for (VisionTower tower : towers) {
            measure(tower, probes.stream().filter(p -> p.tower() == tower).toList(), pixels);
          }
          images[0] += batch.count();
        });
  }

  private void measure(VisionTower tower, List<Probe> probes, Tensor pixels) {
    TowerWalk walk = TowerWalk.past(tower, probes.stream().map(Probe::at).toList());
    try (Scope scope = Scope.open()) {
      walk.walk(
          pixels,
          paused -> {
            for (Probe probe : probes) {
              if (!probe.at().equals(paused.at())) continue;
              Tensor rows = walk.selected(tokens, paused);
              int perImage = (int) (rows.size(0) / pixels.size(0));
              probe.meter().add(probe.scale() == 1 ? rows : rows.mul(probe.scale()), perImage);
            }
          });
    }
  }
}
