// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.data.imageset.ImageLoader;
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
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.run.TokenLayout;
import io.clipsteer.lab.run.TokenStatistics;
import io.clipsteer.lab.run.TowerWalk;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Evaluates the SAEs of a run on images. A batch runs through the tower once and pauses at every
 * hook point of the run; splices continue from there. Mean ablation and the forms of explained
 * variance need statistics of the tokens, which a first pass computes. Memory does not grow with
 * the number of images.
 *
 * @param model the run's
 * @param batches images, all of them evaluated
 * @param saes of the run
 * @param truth classes of the images
 * @param legacy whether to compute the reference implementation's forms too
 */
public record SparsityRun(
    ClipModel model, Images batches, RunSaes saes, Truth truth, boolean legacy) {

  /** The tokens that SAEs read, with their measurements: all SAEs of one site share its mean. */
  private static final class SiteTally {
    private final HookPoint point;
    private final TokenSelection tokens;
    private final TokenStatistics statistics;
    private final AnswerTally meanAblated;
    private final AnswerTally zeroAblated;
    private final List<Measured> measured = new ArrayList<>();

    SiteTally(RunSaes.One one, double scale) {
      this.point = one.point();
      this.tokens = one.selection();
      this.statistics = new TokenStatistics(one.sae().width());
      this.meanAblated = new AnswerTally(scale);
      this.zeroAblated = new AnswerTally(scale);
    }

    boolean isOf(RunSaes.One one) {
      return point.equals(one.point()) && tokens == one.selection();
    }
  }

  /** The measurements of one SAE. */
  private record Measured(
      RunSaes.One one, SiteTally at, SparsityTally tally, AnswerTally spliced) {}

  /**
   * Evaluates.
   *
   * @throws InputException when no image can be read, or they change between the passes
   */
  public SparsityReport run(Progress progress) {
    TextLibrary library = truth.library();
    if (library != null) ZeroShot.checkFits(model, library);
    List<SiteTally> sites = new ArrayList<>();
    for (RunSaes.One one : saes.all()) {
      if (sites.stream().noneMatch(site -> site.isOf(one))) {
        sites.add(new SiteTally(one, model.logitScale()));
      }
    }
    findStatistics(sites, progress);
    List<Measured> measured = new ArrayList<>();
    for (RunSaes.One one : saes.all()) {
      SiteTally site = sites.stream().filter(s -> s.isOf(one)).findFirst().orElseThrow();
      var tally = new SparsityTally(layout(site), one.sae().features(), site.statistics);
      var sae = new Measured(one, site, tally, new AnswerTally(model.logitScale()));
      measured.add(sae);
      site.measured.add(sae);
    }
    var original = new AnswerTally(model.logitScale());
    long[] images = new long[1];
    List<ImageLoader.Skipped> skipped =
        batches.forEach(
            "evaluating",
            flops(sites, library != null),
            progress,
            (batch, pixels) -> {
              measure(sites, original, batch, pixels);
              images[0] += batch.count();
            });
    for (Measured sae : measured) {
      if (sae.at.statistics.tokens() != sae.tally.tokens()) {
        throw new InputException(
            batches.set().origin(),
            "the images changed between the two passes",
            "Leave the images unchanged, and evaluate again");
      }
    }
    return report(measured, original, images[0], skipped);
  }

  private TokenLayout layout(SiteTally site) {
    return TokenLayout.of(
        model.vision().config(),
        site.tokens,
        batches.preprocessing().height(),
        batches.preprocessing().width());
  }

  /** Work of the tower for one image. */
  private double flops(List<SiteTally> sites, boolean answers) {
    double layers = model.vision().config().layers();
    double passes = answers ? 1 : 0;
    for (SiteTally site : sites) {
      double before = (site.point.layer() + 1) / layers;
      double ends = 2 + site.measured.size();
      passes = answers ? passes + ends * (1 - before) : Math.max(passes, before);
    }
    return passes * model.vision().flopsPerImage();
  }

  /** First pass: the statistics of each site's tokens. */
  private void findStatistics(List<SiteTally> sites, Progress progress) {
    TowerWalk walk = walk();
    batches.forEach(
        "computing token statistics",
        flops(sites, false),
        progress,
        (batch, pixels) ->
            walk.walk(
                pixels,
                paused -> {
                  for (SiteTally site : sites) {
                    if (!site.point.equals(paused.at())) continue;
                    try (Scope scope = Scope.open()) {
                      site.statistics.add(walk.selected(site.tokens, paused).toFloats());
                    }
                  }
                }));
  }

  private TowerWalk walk() {
    return TowerWalk.past(model.vision(), saes.all().stream().map(RunSaes.One::point).toList());
  }

  private void measure(
      List<SiteTally> sites, AnswerTally original, ImageBatch batch, Tensor pixels) {
    TextLibrary library = truth.library();
    int[] right = truth.of(batch);
    Tensor texts = library == null ? null : texts(library);
    Paused last =
        walk()
            .walk(
                pixels,
                paused -> {
                  for (SiteTally site : sites) {
                    if (site.point.equals(paused.at())) measure(site, paused, texts, right);
                  }
                });
    if (texts != null) original.add(cosines(last, texts), right);
  }

  /** [e,words] where the tower runs. */
  private Tensor texts(TextLibrary library) {
    return Tensor.of(library.embeddings(), library.words().size(), library.width())
        .transpose(0, 1)
        .to(model.vision().device());
  }

  private void measure(SiteTally site, Paused paused, @Nullable Tensor texts, int[] right) {
    long b = paused.value().size(0);
    long d = paused.value().size(2);
    try (Scope scope = Scope.open()) {
      Tensor x = walk().selected(site.tokens, paused);
      float[] read = x.toFloats();
      for (Measured sae : site.measured) {
        try (Scope inner = Scope.open()) {
          Sae.Encoded encoded = sae.one.sae().encode(x);
          Tensor back = sae.one.sae().decode(encoded);
          sae.tally.add(read, back.toFloats(), encoded.code());
          if (texts == null) continue;
          Tensor whole = back.reshape(b, x.size(0) / b, d);
          sae.spliced.add(cosines(spliced(site, paused, whole), texts), right);
        }
      }
      if (texts == null) return;
      Tensor mean = Tensor.of(site.statistics.mean().floats(), d);
      site.meanAblated.add(cosines(spliced(site, paused, mean), texts), right);
      Tensor zero = Tensor.zeros(DType.F32, d);
      site.zeroAblated.add(cosines(spliced(site, paused, zero), texts), right);
    }
  }

  private Paused spliced(SiteTally site, Paused paused, Tensor values) {
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

  private SparsityReport report(
      List<Measured> measured,
      AnswerTally original,
      long images,
      List<ImageLoader.Skipped> skipped) {
    TextLibrary library = truth.library();
    List<String> notes = new ArrayList<>();
    long judged = original.judged();
    if (library == null) notes.add(truth.reason());
    if (library != null && judged == 0) {
      notes.add("Zero-shot is skipped: no image with a class could be read");
    } else if (library != null && judged < images) {
      notes.add("Zero-shot is over the " + judged + " of " + images + " images with a class");
    }
    notes.addAll(batches.notes());
    List<SparsityReport.MeasuredSae> entries = new ArrayList<>();
    int classes = library == null || judged == 0 ? 0 : library.words().size();
    for (Measured m : measured) {
      entries.add(
          new SparsityReport.MeasuredSae(
              m.one.entry(),
              m.tally.result(),
              classes > 0 ? answers(original, m, classes) : null,
              legacy ? legacy(original, m, classes > 0) : null));
    }
    notes.addAll(SparsityReport.warnings(entries));
    return new SparsityReport(
        model.source().path().toAbsolutePath().normalize().toString(),
        batches.set().origin().toString(),
        false,
        images,
        skipped,
        List.copyOf(notes),
        List.copyOf(entries));
  }

  private static SparsityReport.ZeroShotScores answers(
      AnswerTally original, Measured m, int classes) {
    return new SparsityReport.ZeroShotScores(
        original.judged(),
        classes,
        original.quality(),
        m.spliced.quality(),
        m.at.meanAblated.quality(),
        m.at.zeroAblated.quality());
  }

  private static SparsityReport.Legacy legacy(AnswerTally original, Measured m, boolean known) {
    return new SparsityReport.Legacy(
        m.tally.result().variance().tokenMean(),
        m.tally.cosineByCoordinate(),
        known ? original.rawCrossEntropy() : null,
        known ? m.spliced.rawCrossEntropy() : null,
        known ? m.at.zeroAblated.rawCrossEntropy() : null);
  }
}
