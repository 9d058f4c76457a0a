// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.stats.Jackknife;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.SelectedTokens;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.block.WorkPlan;
import io.clipsteer.lab.run.ImageBlocks;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.run.TokenLayout;
import io.clipsteer.lab.run.TokenStatistics;
import io.clipsteer.lab.run.TowerRate;
import io.clipsteer.lab.run.TowerWalk;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Evaluates the SAEs of a run on images. A batch runs through the tower once and pauses at every
 * hook point of the run; splices continue from there. Mean ablation and the forms of explained
 * variance need statistics of the tokens, which a first pass computes. Sums are those of blocks of
 * images, added in the blocks' order. Memory does not grow with the number of images.
 *
 * @param model the run's
 * @param blocks images, all of them evaluated
 * @param saes of the run
 * @param truth classes of the images
 * @param legacy whether to compute the reference implementation's forms too
 */
public record SparsityRun(
    ClipModel model, ImageBlocks blocks, RunSaes saes, Truth truth, boolean legacy) {

  /** The tokens that SAEs read: all SAEs of one site share its mean. */
  private record Site(HookPoint point, TokenSelection tokens) {
    static Site of(RunSaes.One one) {
      return new Site(one.point(), one.selection());
    }
  }

  /**
   * Evaluates.
   *
   * @throws InputException when no image can be read, or they change between the passes
   */
  public SparsityReport run(Progress progress) {
    check();
    List<TokenStatistics> statistics = noStatistics();
    blocks.forEach(
        "computing token statistics",
        flops(false),
        progress,
        this::noStatistics,
        this::addStatistics,
        block -> add(statistics, block));
    EvaluationTally all = tally(statistics);
    List<ImageLoader.Skipped> skipped =
        blocks.forEach(
            "evaluating",
            flops(truth.library() != null),
            progress,
            () -> tally(statistics),
            (tally, batch, pixels) -> measure(statistics, tally, batch, pixels),
            all::add);
    return report(statistics, all, skipped);
  }

  /** What the evaluation costs on a cluster; rates are measured on a batch. */
  public WorkPlan plan() {
    TowerRate rate = TowerRate.measure(model, blocks.images());
    return new WorkPlan(
        List.of(
            stage("computing token statistics", flops(false), rate),
            stage("evaluating", flops(truth.library() != null), rate)),
        rate.residentBytes(),
        List.of());
  }

  private WorkPlan.PlannedStage stage(String name, double flops, TowerRate rate) {
    long count = blocks.images().count();
    return new WorkPlan.PlannedStage(
        name,
        true,
        blocks.count(),
        rate.bytes(count),
        null,
        flops * count,
        rate.seconds(count, flops),
        0);
  }

  /** Refuses a vocabulary that does not fit the model. */
  void check() {
    TextLibrary library = truth.library();
    if (library != null) ZeroShot.checkFits(model, library);
  }

  private List<Site> sites() {
    return saes.all().stream().map(Site::of).distinct().toList();
  }

  /** Of each site: no token yet. */
  List<TokenStatistics> noStatistics() {
    int width = model.vision().config().width();
    return sites().stream().map(site -> new TokenStatistics(width)).toList();
  }

  /** Adds the next block's tokens, by site. */
  static void add(List<TokenStatistics> all, List<TokenStatistics> block) {
    for (int s = 0; s < all.size(); s++) all.get(s).add(block.get(s));
  }

  /** No image yet, of those whose tokens {@code statistics} has. */
  EvaluationTally tally(List<TokenStatistics> statistics) {
    double scale = model.logitScale();
    List<Site> sites = sites();
    return new EvaluationTally(
        new AnswerTally(scale),
        sites.stream()
            .map(
                site ->
                    new EvaluationTally.AblatedSite(new AnswerTally(scale), new AnswerTally(scale)))
            .toList(),
        saes.all().stream()
            .map(
                one ->
                    new EvaluationTally.SaeTally(
                        new SparsityTally(
                            layout(Site.of(one)),
                            one.sae().features(),
                            statistics.get(sites.indexOf(Site.of(one)))),
                        new AnswerTally(scale)))
            .toList());
  }

  private TokenLayout layout(Site site) {
    var pixels = blocks.images().preprocessing();
    return TokenLayout.of(model.vision().config(), site.tokens, pixels.height(), pixels.width());
  }

  /** Work of the tower for one image. */
  private double flops(boolean answers) {
    double layers = model.vision().config().layers();
    double passes = answers ? 1 : 0;
    for (Site site : sites()) {
      double before = (site.point.layer() + 1) / layers;
      double ends = 2 + saes.all().stream().filter(one -> Site.of(one).equals(site)).count();
      passes = answers ? passes + ends * (1 - before) : Math.max(passes, before);
    }
    return passes * model.vision().flopsPerImage();
  }

  /** First pass: the statistics of each site's tokens. */
  void addStatistics(List<TokenStatistics> statistics, ImageBatch batch, Tensor pixels) {
    TowerWalk walk = walk();
    List<Site> sites = sites();
    walk.walk(
        pixels,
        paused -> {
          for (int s = 0; s < sites.size(); s++) {
            if (!sites.get(s).point.equals(paused.at())) continue;
            try (Scope scope = Scope.open()) {
              statistics.get(s).add(walk.selected(sites.get(s).tokens, paused).toFloats());
            }
          }
        });
  }

  private TowerWalk walk() {
    return TowerWalk.past(model.vision(), saes.all().stream().map(RunSaes.One::point).toList());
  }

  /** Second pass. */
  void measure(
      List<TokenStatistics> statistics, EvaluationTally tally, ImageBatch batch, Tensor pixels) {
    TextLibrary library = truth.library();
    int[] right = truth.of(batch);
    Tensor texts = library == null ? null : texts(library);
    List<Site> sites = sites();
    Paused last =
        walk()
            .walk(
                pixels,
                paused -> {
                  for (int s = 0; s < sites.size(); s++) {
                    if (!sites.get(s).point.equals(paused.at())) continue;
                    float[] mean = statistics.get(s).mean().floats();
                    measure(tally, s, mean, paused, texts, right);
                  }
                });
    if (texts != null) tally.original().add(cosines(last, texts), right);
    tally.count(batch.count());
  }

  /** [e,words] where the tower runs. */
  private Tensor texts(TextLibrary library) {
    return Tensor.of(library.embeddings(), library.words().size(), library.width())
        .transpose(0, 1)
        .to(model.vision().device());
  }

  private void measure(
      EvaluationTally tally,
      int number,
      float[] meanToken,
      Paused paused,
      @Nullable Tensor texts,
      int[] right) {
    Site site = sites().get(number);
    long b = paused.value().size(0);
    long d = paused.value().size(2);
    try (Scope scope = Scope.open()) {
      Tensor x = walk().selected(site.tokens, paused);
      float[] read = x.toFloats();
      for (int s = 0; s < saes.all().size(); s++) {
        RunSaes.One one = saes.all().get(s);
        if (!Site.of(one).equals(site)) continue;
        EvaluationTally.SaeTally measured = tally.saes().get(s);
        try (Scope inner = Scope.open()) {
          Sae.Encoded encoded = one.sae().encode(x);
          Tensor back = one.sae().decode(encoded);
          measured.sparsity().add(read, back.toFloats(), encoded.code());
          if (texts == null) continue;
          Tensor whole = back.reshape(b, x.size(0) / b, d);
          measured.spliced().add(cosines(spliced(site, paused, whole), texts), right);
        }
      }
      if (texts == null) return;
      EvaluationTally.AblatedSite ablated = tally.sites().get(number);
      Tensor mean = Tensor.of(meanToken, d);
      ablated.mean().add(cosines(spliced(site, paused, mean), texts), right);
      Tensor zero = Tensor.zeros(DType.F32, d);
      ablated.zero().add(cosines(spliced(site, paused, zero), texts), right);
    }
  }

  private Paused spliced(Site site, Paused paused, Tensor values) {
    int prefix = model.vision().config().prefixTokens();
    Tensor there = values.to(model.vision().device());
    return paused.with(SelectedTokens.of(paused.value(), site.tokens, prefix).replacedBy(there));
  }

  /** Cosines of the embeddings with the words, row-major [b,words]. */
  private float[] cosines(Paused paused, Tensor texts) {
    try (Scope scope = Scope.open()) {
      return model.vision().continueFrom(paused, Hooks.NONE).embedding().matmul(texts).toFloats();
    }
  }

  /**
   * The figures.
   *
   * @throws InputException when the two passes read different images
   */
  SparsityReport report(
      List<TokenStatistics> statistics, EvaluationTally all, List<ImageLoader.Skipped> skipped) {
    List<Site> sites = sites();
    for (int s = 0; s < saes.all().size(); s++) {
      int site = sites.indexOf(Site.of(saes.all().get(s)));
      if (statistics.get(site).tokens() != all.saes().get(s).sparsity().tokens()) {
        throw new InputException(
            blocks.images().set().origin(),
            "the images changed between the two passes",
            "Leave the images unchanged, and evaluate again");
      }
    }
    TextLibrary library = truth.library();
    List<String> notes = new ArrayList<>();
    long judged = all.original().judged();
    if (library == null) notes.add(truth.reason());
    if (library != null && judged == 0) {
      notes.add("Zero-shot is skipped: no image with a class could be read");
    } else if (library != null && judged < all.images()) {
      notes.add("Zero-shot is over the " + judged + " of " + all.images() + " images with a class");
    }
    notes.addAll(blocks.images().notes());
    List<SparsityReport.MeasuredSae> entries = new ArrayList<>();
    int classes = library == null || judged == 0 ? 0 : library.words().size();
    for (int s = 0; s < saes.all().size(); s++) {
      RunSaes.One one = saes.all().get(s);
      EvaluationTally.SaeTally measured = all.saes().get(s);
      EvaluationTally.AblatedSite ablated = all.sites().get(sites.indexOf(Site.of(one)));
      entries.add(
          new SparsityReport.MeasuredSae(
              one.entry(),
              measured.sparsity().result(),
              classes > 0 ? answers(all.original(), measured, ablated, classes) : null,
              legacy ? legacy(all.original(), measured, ablated, classes > 0) : null,
              intervals(all.original(), measured, ablated, legacy && classes > 0)));
    }
    notes.addAll(SparsityReport.warnings(entries));
    return new SparsityReport(
        model.source().path().toAbsolutePath().normalize().toString(),
        blocks.images().set().origin().toString(),
        false,
        all.images(),
        skipped,
        List.copyOf(notes),
        List.copyOf(entries));
  }

  private static SparsityReport.ZeroShotScores answers(
      AnswerTally original,
      EvaluationTally.SaeTally measured,
      EvaluationTally.AblatedSite ablated,
      int classes) {
    return new SparsityReport.ZeroShotScores(
        original.judged(),
        classes,
        original.quality(),
        measured.spliced().quality(),
        ablated.mean().quality(),
        ablated.zero().quality());
  }

  private static SparsityReport.Legacy legacy(
      AnswerTally original,
      EvaluationTally.SaeTally measured,
      EvaluationTally.AblatedSite ablated,
      boolean known) {
    return new SparsityReport.Legacy(
        measured.sparsity().result().variance().tokenMean(),
        measured.sparsity().cosineByCoordinate(),
        known ? original.rawCrossEntropy() : null,
        known ? measured.spliced().rawCrossEntropy() : null,
        known ? ablated.zero().rawCrossEntropy() : null);
  }

  /** Over images, by the number's name. */
  private static Map<String, Jackknife> intervals(
      AnswerTally original,
      EvaluationTally.SaeTally measured,
      EvaluationTally.AblatedSite ablated,
      boolean answers) {
    Map<String, Jackknife> all = measured.sparsity().intervals();
    if (!answers) return all;
    Map<String, Jackknife> more = new LinkedHashMap<>();
    more.put("legacy_cross_entropy", original.rawInterval());
    more.put("legacy_cross_entropy_spliced", measured.spliced().rawInterval());
    more.put("legacy_cross_entropy_zero_ablated", ablated.zero().rawInterval());
    more.put(
        "legacy_ce_recovered",
        AnswerTally.rawRecovered(original, measured.spliced(), ablated.zero()));
    more.values().removeIf(one -> !Double.isFinite(one.low()) || !Double.isFinite(one.value()));
    all.putAll(more);
    return all;
  }
}
