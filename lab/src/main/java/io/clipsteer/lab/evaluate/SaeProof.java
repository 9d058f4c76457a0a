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
import io.clipsteer.lab.run.TowerWalk;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * Holds an SAE against what its files claim: L0, explained variance and cosine are measured on
 * images, and where they do not fit, the usual mistakes are tried one by one.
 *
 * <p>A figure's gap is 1 at the edge of what counts as equal: an L0 a fifth larger or smaller, or a
 * quarter more left over by explained variance (1 − EV) or cosine (1 − cos). A mistake explains a
 * gap when without it every claimed figure is equal, the gap at most half, and less is left over.
 * It is suspected when without it at most three fifths as much variance is left over, unless
 * explained variance or cosine were claimed and found. GELU for QuickGELU changes activations so
 * little that those figures hardly move: it is suspected, where the figures agree, when without it
 * the variance left over is half a per cent less and less on so many more images that a sign test
 * gives 4 σ. Of a small set of images, or of a layer where the two do the same, it cannot be told.
 *
 * @param point where its activations come from
 * @param tokens those it was made for
 */
public record SaeProof(
    ClipModel model, StoredSae stored, HookPoint point, TokenSelection tokens, Images batches) {
  private static final double L0_FACTOR = 1.2;
  private static final double REST_FACTOR = 1.25;

  /** Less left over, by a share and by standard deviations of a sign test, to suspect the MLPs. */
  private static final double ACTIVATION_SHARE = 0.002;

  private static final double ACTIVATION_SIGMAS = 4;

  /** Of what is left over, the most that may be left without a mistake that is suspected. */
  private static final double SUSPICIOUS_SHARE = 0.6;

  private static final double LEAST_SCALE = 0.05;

  /** Below this, what is left over is rounding. */
  private static final double LEAST_REST = 1e-6;

  /** What came of it. */
  public enum Verdict {
    /** Every claimed figure was found. */
    AGREES,
    /** Nothing was claimed, and no mistake would do much better. */
    NOTHING_CLAIMED,
    /** A claimed figure was not found, and one mistake explains it. */
    EXPLAINED,
    /** Without one mistake less would be left over than can be chance. */
    SUSPECTED,
    /** A claimed figure was not found, and no mistake that was tried explains it. */
    UNEXPLAINED
  }

  /**
   * The figures without one mistake.
   *
   * @param detail the scale, k or hook point that was tried; may be empty
   * @param gap largest gap to a claimed figure; NaN when nothing is claimed
   * @param better share of the images of which less is left over than with the mistake
   */
  public record Trial(
      SaeMistake mistake, String detail, Reconstruction figures, double gap, double better) {}

  /**
   * The proof.
   *
   * @param measured the SAE as its files describe it
   * @param claimed {@code l0}, {@code explained_variance}, {@code cosine}, as far as told
   * @param gap largest gap to a claimed figure; NaN when nothing is claimed
   * @param cause for {@link Verdict#EXPLAINED} and {@link Verdict#SUSPECTED}
   * @param tried when explained variance or cosine agreed at once, the MLPs' non-linearity only
   */
  public record ProofReport(
      long images,
      Reconstruction measured,
      SortedMap<String, Double> claimed,
      double gap,
      Verdict verdict,
      @Nullable Trial cause,
      List<Trial> tried,
      List<ImageLoader.Skipped> skipped) {}

  /** An SAE at a place of a tower, and what it does there. */
  private record Probe(
      @Nullable SaeMistake mistake,
      String detail,
      VisionTower tower,
      HookPoint at,
      double scale,
      ReconstructionMeter meter) {}

  /**
   * Measures, and tries the mistakes where that is called for.
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
      return run(new Probe(null, "", tower, point, 1, new ReconstructionMeter(sae)), progress);
    }
  }

  private ProofReport run(Probe asIs, Progress progress) {
    List<Probe> probes = activationProbes();
    List<Probe> first = new ArrayList<>(probes);
    first.add(asIs);
    long[] images = new long[1];
    List<ImageLoader.Skipped> skipped = pass(first, images, "measuring", progress);
    Reconstruction measured = asIs.meter().result();
    SortedMap<String, Double> claimed = claimed();
    double gap = gap(measured, claimed);
    boolean toldHowWell =
        claimed.containsKey("explained_variance") || claimed.containsKey("cosine");
    if (!toldHowWell || gap > 1) {
      List<Probe> others = otherProbes(asIs.meter());
      pass(others, new long[1], "trying mistakes", progress);
      probes.addAll(others);
    }
    List<Trial> tried = new ArrayList<>();
    for (Probe probe : probes) {
      SaeMistake mistake = probe.mistake();
      if (mistake == null) continue;
      Reconstruction figures = probe.meter().result();
      double better = better(probe.meter().rests(), asIs.meter().rests());
      tried.add(new Trial(mistake, probe.detail(), figures, gap(figures, claimed), better));
    }
    Trial cause = explaining(tried, measured, gap, toldHowWell);
    Verdict verdict = cause == null ? Verdict.SUSPECTED : Verdict.EXPLAINED;
    if (cause == null && !(toldHowWell && gap <= 1)) cause = suspicious(tried, measured, gap);
    if (cause == null && !(gap > 1)) cause = otherActivation(tried, measured, images[0]);
    if (cause == null) {
      if (claimed.isEmpty()) verdict = Verdict.NOTHING_CLAIMED;
      else verdict = gap <= 1 ? Verdict.AGREES : Verdict.UNEXPLAINED;
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
    for (var claim : claimed.entrySet()) {
      double told = claim.getValue();
      double gap =
          switch (claim.getKey()) {
            case "l0" -> apart(found.l0(), told) / Math.log(L0_FACTOR);
            case "explained_variance" -> rest(found.explainedVariance(), told);
            default -> rest(found.cosine(), told);
          };
      worst = Math.max(worst, Double.isNaN(gap) ? Double.POSITIVE_INFINITY : gap);
    }
    return worst;
  }

  /** Better than claimed is no gap: misreading an SAE does not improve it. */
  private static double rest(double found, double told) {
    double left = Math.max(1 - found, LEAST_REST);
    double claimed = Math.max(1 - told, LEAST_REST);
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
      List<Trial> tried, Reconstruction measured, double gap, boolean toldHowWell) {
    if (!(gap > 1)) return null;
    // L0 alone says little about normalisation and biases: among those that fit, the best one.
    ToDoubleFunction<Trial> order =
        toldHowWell ? Trial::gap : trial -> -trial.figures().explainedVariance();
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
      probes.add(
          new Probe(
              quick ? SaeMistake.QUICK_GELU_FOR_GELU : SaeMistake.GELU_FOR_QUICK_GELU,
              "",
              tower.withActivation(quick ? Activation.GELU : Activation.QUICK_GELU),
              point,
              1,
              new ReconstructionMeter(stored.sae())));
    }
    return probes;
  }

  private List<Probe> otherProbes(ReconstructionMeter meter) {
    Sae sae = stored.sae();
    VisionTower tower = model.vision();
    List<Probe> probes = new ArrayList<>();
    for (SaeMistake mistake : SaeMistake.values()) {
      Sae other = mistake.mend(sae, stored.claims());
      if (other == null) continue;
      String detail = mistake == SaeMistake.TOPK_AS_RELU ? other.activation().toString() : "";
      probes.add(new Probe(mistake, detail, tower, point, 1, new ReconstructionMeter(other)));
    }
    if (sae.normalisation() instanceof InputNormalisation.None) {
      // SAELens scales to a mean length of √d, dictionary_learning to a mean square of 1.
      for (double scale :
          new double[] {Math.sqrt(sae.width()) / meter.meanNorm(), 1 / meter.rootMeanSquare()}) {
        // Near 1 it makes no difference.
        if (!Double.isFinite(scale) || Math.abs(Math.log(scale)) < LEAST_SCALE) continue;
        String detail = "scale " + (float) scale;
        probes.add(
            new Probe(
                SaeMistake.ACTIVATIONS_NOT_SCALED,
                detail,
                tower,
                point,
                scale,
                new ReconstructionMeter(sae)));
      }
    }
    for (HookPoint near : neighbours()) {
      probes.add(
          new Probe(
              SaeMistake.OTHER_HOOK_POINT,
              near.peerName(),
              tower,
              near,
              1,
              new ReconstructionMeter(sae)));
    }
    return probes;
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
    try (var task = progress.start(what, batches.count(), "images")) {
      return batches.forEach(
          (batch, pixels) -> {
            for (VisionTower tower : towers) {
              measure(tower, probes.stream().filter(p -> p.tower() == tower).toList(), pixels);
            }
            images[0] += batch.count();
            double share = (point.layer() + 1.0) / model.vision().config().layers();
            task.advance(
                batch.count(),
                model.vision().flopsPerImage() * share * towers.size() * batch.count());
          });
    }
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
