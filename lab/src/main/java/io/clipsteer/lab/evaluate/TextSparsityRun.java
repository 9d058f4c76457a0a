// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.checkpoint.Tokenizer;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.NotFiniteException;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.model.TextTower;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.run.TextTokens;
import io.clipsteer.lab.run.TokenLayout;
import io.clipsteer.lab.run.TokenStatistics;
import io.clipsteer.lab.train.TrainSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Evaluates SAEs of CLIP's text tower as {@link SparsityRun} does those of the vision tower: on
 * texts, and zero-shot on images, with class prompts read through the SAE's reconstruction.
 *
 * @param source the model with its texts, all of them evaluated
 * @param saes of the text tower
 * @param judge null to skip zero-shot
 */
public record TextSparsityRun(TrainSource.FromTexts source, RunSaes saes, @Nullable Judge judge) {
  /**
   * The zero-shot task.
   *
   * @param images with classes
   * @param truth the classes; without a library zero-shot is skipped with its reason
   * @param templates prompts for the classes, each with {@code {}}
   */
  public record Judge(Images images, Truth truth, List<String> templates) {}

  /** The measurements of one SAE. */
  private record Measured(RunSaes.One one, SparsityTally tally, TokenStatistics statistics) {}

  /** By batch of images: unit embeddings [n,e], and rows of the classes [n]. */
  private record EmbeddedImages(List<float[]> embeddings, List<int[]> right) {}

  private ClipModel model() {
    return source.clip();
  }

  private Tokenizer tokenizer() {
    return Objects.requireNonNull(model().tokenizer());
  }

  /**
   * Evaluates.
   *
   * @throws InputException when there is no text, or no image can be read
   */
  public SparsityReport run(Progress progress) {
    List<String> lines = source.texts();
    if (lines.isEmpty()) {
      throw new InputException(source.file(), "holds no text", "Write one a line");
    }
    TextTower tower = Objects.requireNonNull(model().text());
    List<TokenStatistics> statistics =
        saes.all().stream().map(one -> new TokenStatistics(one.sae().width())).toList();
    pass(
        "computing token statistics",
        progress,
        ids -> {
          Map<HookPoint, Tensor> values = residuals(tower, ids);
          for (int i = 0; i < statistics.size(); i++) {
            statistics.get(i).add(rows(saes.all().get(i), values, ids).toFloats());
          }
        });
    List<Measured> measured = new ArrayList<>();
    for (RunSaes.One one : saes.all()) {
      boolean endOnly = one.selection() == TokenSelection.CLS;
      var layout = TokenLayout.ofTexts(tower.config().context(), endOnly);
      TokenStatistics own = statistics.get(measured.size());
      var tally = new SparsityTally(layout, one.sae().features(), own);
      measured.add(new Measured(one, tally, own));
    }
    var all = new TextTokens(tokenizer(), TokenSelection.ALL);
    long[] full = new long[1];
    pass(
        "evaluating",
        progress,
        ids -> {
          for (long[] text : ids) if (all.count(text) == tower.config().context()) full[0]++;
          measure(residuals(tower, ids), ids, measured);
        });
    return report(measured, full[0], progress);
  }

  /** Gives the tokens of all texts to {@code batch}. */
  private void pass(String what, Progress progress, Consumer<long[][]> batch) {
    try (var task = progress.start(what, source.texts().size(), "texts")) {
      TextTokens.forEach(
          source.texts(),
          (part, from) -> {
            try (Scope scope = Scope.open()) {
              batch.accept(tokenizer().encode(part));
            } catch (NotFiniteException e) {
              throw e.named(part);
            }
            task.advance(part.size(), 0);
          });
    }
  }

  private Map<HookPoint, Tensor> residuals(TextTower tower, long[][] ids) {
    List<HookPoint> points = saes.all().stream().map(RunSaes.One::point).distinct().toList();
    return TextTokens.residuals(tower, ids, points);
  }

  private void measure(Map<HookPoint, Tensor> values, long[][] ids, List<Measured> measured) {
    for (Measured m : measured) {
      try (Scope scope = Scope.open()) {
        Tensor x = rows(m.one, values, ids);
        Sae.Encoded encoded = m.one.sae().encode(x);
        float[] back = m.one.sae().decode(encoded).toFloats();
        int[] positions = positions(ids, new TextTokens(tokenizer(), m.one.selection()));
        m.tally.add(x.toFloats(), back, encoded.code(), positions);
      }
    }
  }

  /** The tokens that an SAE reads, F32 [n,d]. */
  private Tensor rows(RunSaes.One one, Map<HookPoint, Tensor> values, long[][] ids) {
    Tensor value = Objects.requireNonNull(values.get(one.point())).to(Device.CPU);
    var read = new TextTokens(tokenizer(), one.selection());
    List<Tensor> parts = new ArrayList<>();
    for (int i = 0; i < ids.length; i++) {
      parts.add(read.of(value.select(0, i), ids[i]));
    }
    return Tensor.concat(parts, 0).contiguous();
  }

  /** As {@link TokenLayout#ofTexts} counts them. */
  private static int[] positions(long[][] ids, TextTokens read) {
    List<Integer> positions = new ArrayList<>();
    for (long[] text : ids) {
      for (int at = read.first(text); at < read.end(text); at++) positions.add(1 + at);
      positions.add(0);
    }
    return positions.stream().mapToInt(Integer::intValue).toArray();
  }

  /**
   * As {@code evaluation.json} has it.
   *
   * @param full texts of the tower's full length
   */
  private SparsityReport report(List<Measured> measured, long full, Progress progress) {
    List<String> notes = new ArrayList<>();
    EmbeddedImages embedded = null;
    List<ImageLoader.Skipped> skipped = new ArrayList<>();
    TextLibrary library = judge == null ? null : judge.truth.library();
    if (judge == null) notes.add("Zero-shot is skipped: give labelled images (--images)");
    else if (library == null) notes.add(judge.truth.reason());
    else embedded = embed(judge, skipped, progress);
    if (embedded != null && embedded.right.isEmpty()) {
      notes.add("Zero-shot is skipped: no image with a class could be read");
      embedded = null;
    }
    if (judge != null && embedded != null) {
      notes.add("Zero-shot is on images of " + judge.images.set().origin());
      if (saes.all().stream().anyMatch(one -> one.selection() == TokenSelection.ALL)) {
        notes.add(
            "Ablating an SAE of all tokens makes all prompts equal: the classification is chance");
      }
    }
    if (full > 0) {
      int context = Objects.requireNonNull(model().text()).config().context();
      notes.add(
          Counted.of(full, "text") + " reached " + context + " tokens: longer texts were cut");
    }
    List<SparsityReport.MeasuredSae> entries = new ArrayList<>();
    for (Measured m : measured) {
      SparsityReport.ZeroShotScores answers = null;
      if (judge != null && library != null && embedded != null) {
        answers = answers(judge, library, embedded, m, progress);
      }
      entries.add(
          new SparsityReport.MeasuredSae(
              m.one.entry(), m.tally.result(), answers, null, m.tally.intervals()));
    }
    notes.addAll(SparsityReport.warnings(entries));
    return new SparsityReport(
        model().source().path().toAbsolutePath().normalize().toString(),
        source.file().toString(),
        true,
        source.texts().size(),
        List.copyOf(skipped),
        List.copyOf(notes),
        List.copyOf(entries));
  }

  private EmbeddedImages embed(Judge judge, List<ImageLoader.Skipped> skipped, Progress progress) {
    EmbeddedImages embedded = new EmbeddedImages(new ArrayList<>(), new ArrayList<>());
    ClipModel model = model();
    skipped.addAll(
        judge.images.forEach(
            "embedding images",
            model.vision().flopsPerImage(),
            progress,
            (batch, pixels) -> {
              int[] right = judge.truth.of(batch);
              if (Arrays.stream(right).noneMatch(r -> r >= 0)) return;
              embedded.embeddings.add(
                  model.vision().run(pixels, Hooks.NONE).embedding().toFloats());
              embedded.right.add(right);
            }));
    return embedded;
  }

  private SparsityReport.ZeroShotScores answers(
      Judge judge, TextLibrary library, EmbeddedImages embedded, Measured m, Progress progress) {
    float[] mean = m.statistics.mean().floats();
    Sae sae = m.one.sae();
    AnswerTally original = judged(embedded, library);
    List<SparsityReport.Quality> edited = new ArrayList<>();
    for (UnaryOperator<Tensor> replaced :
        List.<UnaryOperator<Tensor>>of(
            x -> sae.decode(sae.encode(x)),
            x -> Tensor.of(mean, mean.length),
            x -> Tensor.zeros(DType.F32, mean.length))) {
      edited.add(judged(embedded, read(judge, library, m, replaced, progress)).quality());
    }
    return new SparsityReport.ZeroShotScores(
        original.judged(),
        library.words().size(),
        original.quality(),
        edited.get(0),
        edited.get(1),
        edited.get(2));
  }

  /** The classes' embeddings by a tower whose tokens are replaced at the SAE's hook point. */
  private TextLibrary read(
      Judge judge,
      TextLibrary library,
      Measured m,
      UnaryOperator<Tensor> replaced,
      Progress progress) {
    var tokens = new TextTokens(tokenizer(), m.one.selection());
    return ZeroShot.library(
        model(),
        library.words(),
        judge.templates,
        (tower, ids) -> {
          Paused paused = tower.runUntil(ids, m.one.point(), Hooks.NONE);
          Tensor value = paused.value().copy();
          for (int i = 0; i < ids.length; i++) {
            Tensor there = tokens.of(value.select(0, i), ids[i]);
            Tensor x = there.to(Device.CPU).to(DType.F32).contiguous();
            there.copyFrom(replaced.apply(x));
          }
          return tower.continueFrom(paused.with(value), ids, Hooks.NONE).embedding().toFloats();
        },
        progress);
  }

  private AnswerTally judged(EmbeddedImages embedded, TextLibrary library) {
    var tally = new AnswerTally(model().logitScale());
    for (int b = 0; b < embedded.right.size(); b++) {
      int[] right = embedded.right.get(b);
      try (Scope scope = Scope.open()) {
        Tensor texts = Tensor.of(library.embeddings(), library.words().size(), library.width());
        Tensor images = Tensor.of(embedded.embeddings.get(b), right.length, library.width());
        tally.add(images.matmul(texts.transpose(0, 1)).toFloats(), right);
      }
    }
    return tally;
  }
}
