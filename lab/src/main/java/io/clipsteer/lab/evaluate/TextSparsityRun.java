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
import io.clipsteer.lab.train.TrainSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Measures SAEs of CLIP's text tower as {@link SparsityRun} does those of its vision tower: on
 * texts, and on images whose classes are named by a tower that goes on with what an SAE gives back.
 *
 * @param source the model with its texts; all of them are measured
 * @param saes of the text tower
 * @param judge null to leave zero-shot out
 */
public record TextSparsityRun(TrainSource.FromTexts source, RunSaes saes, @Nullable Judge judge) {
  /**
   * What answers are judged on.
   *
   * @param images with classes
   * @param truth the classes' words; without a library zero-shot is left out with its reason
   * @param templates that the words are read in, each with {@code {}}
   */
  public record Judge(Images images, Truth truth, List<String> templates) {}

  /** What is gathered about one SAE. */
  private record Measured(RunSaes.One one, SparsityTally tally, MeanToken mean) {}

  /** By batch of images: their unit embeddings [n,e], and the rows of their right words [n]. */
  private record Seen(List<float[]> embeddings, List<int[]> right) {}

  private ClipModel model() {
    return source.clip();
  }

  private Tokenizer tokenizer() {
    return Objects.requireNonNull(model().tokenizer());
  }

  /**
   * Measures.
   *
   * @throws InputException when there is no text, or no image can be read
   */
  public SparsityReport run(Progress progress) {
    List<String> lines = source.texts().lines();
    if (lines.isEmpty()) {
      throw new InputException(source.texts().file(), "holds no text", "Write one a line");
    }
    TextTower tower = Objects.requireNonNull(model().text());
    List<Measured> measured = new ArrayList<>();
    for (RunSaes.One one : saes.all()) {
      boolean endOnly = one.selection() == TokenSelection.CLS;
      var layout = SparsityTally.Layout.ofTexts(tower.config().context(), endOnly);
      int width = one.sae().width();
      var tally = new SparsityTally(layout, width, one.sae().features(), null);
      measured.add(new Measured(one, tally, new MeanToken(width)));
    }
    var all = new TextTokens(tokenizer(), TokenSelection.ALL);
    long full = 0;
    try (var task = progress.start("evaluating", lines.size(), "texts")) {
      for (int from = 0; from < lines.size(); from += TextTokens.TEXTS_AT_ONCE) {
        List<String> part =
            lines.subList(from, Math.min(lines.size(), from + TextTokens.TEXTS_AT_ONCE));
        long[][] ids = tokenizer().encode(part);
        for (long[] text : ids) if (all.count(text) == tower.config().context()) full++;
        try (Scope scope = Scope.open()) {
          measure(tower, ids, measured);
        } catch (NotFiniteException e) {
          throw e.named(part);
        }
        task.advance(part.size(), 0);
      }
    }
    return report(measured, full, progress);
  }

  private void measure(TextTower tower, long[][] ids, List<Measured> measured) {
    Map<HookPoint, Tensor> seen = new LinkedHashMap<>();
    Hooks hooks = Hooks.NONE;
    Scope outer = Scope.open();
    try (outer) {
      List<HookPoint> points = saes.all().stream().map(RunSaes.One::point).distinct().toList();
      for (HookPoint point : points) {
        hooks =
            hooks.tap(
                point,
                value -> {
                  NotFiniteException.check(point, value);
                  seen.put(point, outer.keep(value.to(DType.F32)));
                });
      }
      tower.runUntil(ids, Collections.max(points), hooks);
      for (Measured m : measured) {
        try (Scope scope = Scope.open()) {
          Tensor value = Objects.requireNonNull(seen.get(m.one.point())).to(Device.CPU);
          var read = new TextTokens(tokenizer(), m.one.selection());
          Tensor x = rows(value, ids, read);
          Sae.Encoded encoded = m.one.sae().encode(x);
          float[] floats = x.toFloats();
          m.tally.add(
              floats, m.one.sae().decode(encoded).toFloats(), encoded.code(), places(ids, read));
          m.mean.add(floats);
        }
      }
    }
  }

  /** The tokens read, one below the other, F32 [n,d]. */
  private static Tensor rows(Tensor value, long[][] ids, TextTokens read) {
    List<Tensor> parts = new ArrayList<>();
    for (int i = 0; i < ids.length; i++) {
      parts.add(value.select(0, i).narrow(0, read.first(ids[i]), read.count(ids[i])));
    }
    return Tensor.concat(parts, 0).contiguous();
  }

  /** As {@link SparsityTally.Layout#ofTexts} counts them. */
  private static int[] places(long[][] ids, TextTokens read) {
    List<Integer> places = new ArrayList<>();
    for (long[] text : ids) {
      for (int at = read.first(text); at < read.end(text); at++) places.add(1 + at);
      places.add(0);
    }
    return places.stream().mapToInt(Integer::intValue).toArray();
  }

  /**
   * As {@code evaluation.json} has it.
   *
   * @param full texts as long as the tower reads
   */
  private SparsityReport report(List<Measured> measured, long full, Progress progress) {
    List<String> notes = new ArrayList<>();
    Seen seen = null;
    List<ImageLoader.Skipped> skipped = new ArrayList<>();
    TextLibrary library = judge == null ? null : judge.truth.library();
    if (judge == null) notes.add("Zero-shot is left out: give labelled images (--images)");
    else if (library == null) notes.add(judge.truth.reason());
    else seen = look(judge, skipped, progress);
    if (seen != null && seen.right.isEmpty()) {
      notes.add("Zero-shot is left out: no image with a class could be read");
      seen = null;
    }
    if (judge != null && seen != null) {
      notes.add("Zero-shot is on images of " + judge.images.set().origin());
      if (saes.all().stream().anyMatch(one -> one.selection() == TokenSelection.ALL)) {
        notes.add(
            "Where an SAE reads all tokens, its ablations make all prompts alike: they leave"
                + " chance");
      }
    }
    if (full > 0) {
      int context = Objects.requireNonNull(model().text()).config().context();
      notes.add(
          Counted.of(full, "text") + " came to all " + context + " tokens: what is longer was cut");
    }
    List<SparsityReport.Entry> entries = new ArrayList<>();
    for (Measured m : measured) {
      SparsityReport.Answers answers = null;
      if (judge != null && library != null && seen != null) {
        answers = answers(judge, library, seen, m, progress);
      }
      entries.add(new SparsityReport.Entry(m.one.entry(), m.tally.result(), answers, null));
    }
    return new SparsityReport(
        model().source().path().toAbsolutePath().normalize().toString(),
        source.texts().file().toString(),
        true,
        source.texts().lines().size(),
        List.copyOf(skipped),
        List.copyOf(notes),
        List.copyOf(entries));
  }

  private Seen look(Judge judge, List<ImageLoader.Skipped> skipped, Progress progress) {
    Seen seen = new Seen(new ArrayList<>(), new ArrayList<>());
    ClipModel model = model();
    try (var task = progress.start("looking", judge.images.count(), "images")) {
      skipped.addAll(
          judge.images.forEach(
              (batch, pixels) -> {
                int[] right = judge.truth.of(batch);
                if (Arrays.stream(right).anyMatch(r -> r >= 0)) {
                  seen.embeddings.add(
                      model.vision().run(pixels, Hooks.NONE).embedding().toFloats());
                  seen.right.add(right);
                }
                task.advance(batch.count(), model.vision().flopsPerImage() * batch.count());
              }));
    }
    return seen;
  }

  private SparsityReport.Answers answers(
      Judge judge, TextLibrary library, Seen seen, Measured m, Progress progress) {
    float[] mean = m.mean.floats();
    Sae sae = m.one.sae();
    AnswerTally original = judged(seen, library);
    return new SparsityReport.Answers(
        original.judged(),
        library.words().size(),
        original.quality(),
        judged(seen, read(judge, library, m, x -> sae.decode(sae.encode(x)), progress)).quality(),
        judged(seen, read(judge, library, m, x -> Tensor.of(mean, mean.length), progress))
            .quality(),
        judged(seen, read(judge, library, m, x -> Tensor.zeros(DType.F32, mean.length), progress))
            .quality());
  }

  /** The words as a tower reads them whose tokens are replaced at the SAE's place. */
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
            Tensor there = value.select(0, i).narrow(0, tokens.first(ids[i]), tokens.count(ids[i]));
            Tensor x = there.to(Device.CPU).to(DType.F32).contiguous();
            there.copyFrom(replaced.apply(x));
          }
          return tower.continueFrom(paused.with(value), ids, Hooks.NONE).embedding().toFloats();
        },
        progress);
  }

  private AnswerTally judged(Seen seen, TextLibrary library) {
    var tally = new AnswerTally(model().logitScale());
    for (int b = 0; b < seen.right.size(); b++) {
      int[] right = seen.right.get(b);
      try (Scope scope = Scope.open()) {
        Tensor texts = Tensor.of(library.embeddings(), library.words().size(), library.width());
        Tensor images = Tensor.of(seen.embeddings.get(b), right.length, library.width());
        tally.add(images.matmul(texts.transpose(0, 1)).toFloats(), right);
      }
    }
    return tally;
  }
}
