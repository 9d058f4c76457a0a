// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.Listing;
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
import io.clipsteer.engine.model.VisionTower;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.run.TowerWalk;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Measures the SAEs of a run on images. A batch of images goes through the tower once, stopping at
 * every hook point of the run; splices go on from there. Where a mean token is needed (mean
 * ablation, legacy) a first pass over the images finds it. Memory does not grow with the number of
 * images.
 *
 * @param model the run's
 * @param images all of them are measured
 * @param saes of the run
 * @param truth what the images are judged by
 * @param legacy whether the reference implementation's forms are wanted too
 */
public record SparsityRun(
    ClipModel model, Images batches, RunSaes saes, Truth truth, boolean legacy) {

  /** Where SAEs read: all SAEs of one place share its tokens and its ablations. */
  private record Spot(HookPoint point, TokenSelection tokens) {}

  /** What is gathered about a spot. */
  private static final class Place {
    private final Spot spot;
    private final MeanToken mean;
    private final AnswerTally meanAblated;
    private final AnswerTally zeroAblated;
    private final List<Measured> measured = new ArrayList<>();

    Place(Spot spot, int width, double scale) {
      this.spot = spot;
      this.mean = new MeanToken(width);
      this.meanAblated = new AnswerTally(scale);
      this.zeroAblated = new AnswerTally(scale);
    }
  }

  /** What is gathered about one SAE. */
  private record Measured(RunSaes.One one, Place place, SparsityTally tally, AnswerTally spliced) {}

  /**
   * Measures.
   *
   * @throws InputException when no image can be read, or they change between the passes
   */
  public SparsityReport run(Progress progress) {
    TextLibrary library = truth.library();
    if (library != null) ZeroShot.checkFits(model, library);
    Map<Spot, Place> places = new LinkedHashMap<>();
    for (RunSaes.One one : saes.all()) {
      var spot = new Spot(one.point(), one.selection());
      places.computeIfAbsent(spot, s -> new Place(s, one.sae().width(), model.logitScale()));
    }
    boolean meanWanted = library != null || legacy;
    if (meanWanted) findMeans(places.values(), progress);
    List<Measured> measured = new ArrayList<>();
    for (RunSaes.One one : saes.all()) {
      Place place = Objects.requireNonNull(places.get(new Spot(one.point(), one.selection())));
      double[] mean = meanWanted ? place.mean.mean() : null;
      var tally =
          new SparsityTally(layout(place.spot), one.sae().width(), one.sae().features(), mean);
      var sae = new Measured(one, place, tally, new AnswerTally(model.logitScale()));
      measured.add(sae);
      place.measured.add(sae);
    }
    var original = new AnswerTally(model.logitScale());
    long[] images = new long[1];
    List<ImageLoader.Skipped> skipped;
    try (var task = progress.start("evaluating", batches.count(), "images")) {
      double flops = flops(places.values(), library != null);
      skipped =
          batches.forEach(
              (batch, pixels) -> {
                measure(places.values(), original, batch, pixels);
                images[0] += batch.count();
                task.advance(batch.count(), flops * batch.count());
              });
    }
    for (Measured sae : measured) {
      if (meanWanted && sae.place.mean.tokens() != sae.tally.tokens()) {
        throw new InputException(
            batches.set().origin(),
            "the images changed between the two passes",
            "Let them rest, and evaluate again");
      }
    }
    return report(measured, original, images[0], skipped);
  }

  private SparsityTally.Layout layout(Spot spot) {
    VisionTower.Config config = model.vision().config();
    int rows = batches.preprocessing().height() / config.patch();
    int columns = batches.preprocessing().width() / config.patch();
    int tokens = config.prefixTokens() + rows * columns;
    return new SparsityTally.Layout(
        spot.tokens.first(config.prefixTokens()),
        spot.tokens.count(config.prefixTokens(), tokens),
        config.prefixTokens(),
        rows,
        columns);
  }

  /** Of the tower, for one image. */
  private double flops(Collection<Place> places, boolean answers) {
    double layers = model.vision().config().layers();
    double passes = answers ? 1 : 0;
    for (Place place : places) {
      double before = (place.spot.point.layer() + 1) / layers;
      double ends = 2 + place.measured.size();
      passes = answers ? passes + ends * (1 - before) : Math.max(passes, before);
    }
    return passes * model.vision().flopsPerImage();
  }

  /** First pass: the mean of each place's tokens. */
  private void findMeans(Collection<Place> places, Progress progress) {
    double flops = flops(places, false);
    try (var task = progress.start("finding the mean token", batches.count(), "images")) {
      batches.forEach(
          (batch, pixels) -> {
            walk()
                .walk(
                    pixels,
                    paused -> {
                      for (Place place : places) {
                        if (!place.spot.point.equals(paused.at())) continue;
                        try (Scope scope = Scope.open()) {
                          place.mean.add(walk().selected(place.spot.tokens, paused).toFloats());
                        }
                      }
                    });
            task.advance(batch.count(), flops * batch.count());
          });
    }
  }

  private TowerWalk walk() {
    return TowerWalk.past(model.vision(), saes.all().stream().map(RunSaes.One::point).toList());
  }

  private void measure(
      Collection<Place> places, AnswerTally original, ImageBatch batch, Tensor pixels) {
    TextLibrary library = truth.library();
    int[] right = truth.of(batch);
    Tensor texts = library == null ? null : texts(library);
    Paused last =
        walk()
            .walk(
                pixels,
                paused -> {
                  for (Place place : places) {
                    if (place.spot.point.equals(paused.at())) measure(place, paused, texts, right);
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

  private void measure(Place place, Paused paused, @Nullable Tensor texts, int[] right) {
    long b = paused.value().size(0);
    long d = paused.value().size(2);
    try (Scope scope = Scope.open()) {
      Tensor x = walk().selected(place.spot.tokens, paused);
      float[] read = x.toFloats();
      for (Measured sae : place.measured) {
        try (Scope inner = Scope.open()) {
          Sae.Encoded encoded = sae.one.sae().encode(x);
          Tensor back = sae.one.sae().decode(encoded);
          sae.tally.add(read, back.toFloats(), encoded.code());
          if (texts == null) continue;
          Tensor whole = back.reshape(b, x.size(0) / b, d);
          sae.spliced.add(cosines(spliced(place.spot, paused, whole), texts), right);
        }
      }
      if (texts == null) return;
      Tensor mean = Tensor.of(place.mean.floats(), d);
      place.meanAblated.add(cosines(spliced(place.spot, paused, mean), texts), right);
      Tensor zero = Tensor.zeros(DType.F32, d);
      place.zeroAblated.add(cosines(spliced(place.spot, paused, zero), texts), right);
    }
  }

  private Paused spliced(Spot spot, Paused paused, Tensor values) {
    int prefix = model.vision().config().prefixTokens();
    Tensor there = values.to(model.vision().device());
    return paused.with(SelectedTokens.of(paused.value(), spot.tokens, prefix).replacedBy(there));
  }

  /** Cosines of the embeddings that come out with the words, row-major [b,words]. */
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
      notes.add("Zero-shot is left out: no image with a class could be read");
    } else if (library != null && judged < images) {
      notes.add("Zero-shot is over the " + judged + " of " + images + " images with a class");
    }
    Listing listing = batches.set().listing();
    if (listing.skippedCount() > 0) {
      String count = Counted.of(listing.skippedCount(), "file");
      notes.add("The image set has " + count + " beside its images: " + listing.reasons());
    }
    List<SparsityReport.Entry> entries = new ArrayList<>();
    int classes = library == null || judged == 0 ? 0 : library.words().size();
    for (Measured m : measured) {
      entries.add(
          new SparsityReport.Entry(
              m.one.entry(),
              m.tally.result(),
              classes > 0 ? answers(original, m, classes) : null,
              legacy ? legacy(original, m, classes > 0) : null));
    }
    return new SparsityReport(
        model.source().path().toAbsolutePath().normalize().toString(),
        batches.set().origin().toString(),
        false,
        images,
        skipped,
        List.copyOf(notes),
        List.copyOf(entries));
  }

  private static SparsityReport.Answers answers(AnswerTally original, Measured m, int classes) {
    return new SparsityReport.Answers(
        original.judged(),
        classes,
        original.quality(),
        m.spliced.quality(),
        m.place.meanAblated.quality(),
        m.place.zeroAblated.quality());
  }

  private static SparsityReport.Legacy legacy(AnswerTally original, Measured m, boolean known) {
    return new SparsityReport.Legacy(
        m.tally.perTokenExplainedVariance(),
        m.tally.cosineByCoordinate(),
        known ? original.rawCrossEntropy() : null,
        known ? m.spliced.rawCrossEntropy() : null,
        known ? m.place.zeroAblated.rawCrossEntropy() : null);
  }
}
