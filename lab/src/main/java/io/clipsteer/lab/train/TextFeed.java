// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.Tokenizer;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.NotFiniteException;
import io.clipsteer.engine.model.TextTower;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.run.ActivationBuffer;
import io.clipsteer.lab.run.Reconstruction;
import io.clipsteer.lab.run.TextTokens;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Tokens of texts in CLIP's text tower ({@link TextTokens}), all in memory, trained on in epochs.
 * Every tenth text is kept aside.
 */
final class TextFeed implements Feed {
  private static final int ASIDE_EVERY = 10;
  private static final int INITIAL_SAMPLE = 65_536;

  private final Training.Config config;
  private final int width;
  private final SplittableRandom random;
  private final List<ActivationBuffer> buffers = new ArrayList<>();
  private final List<ActivationBuffer> aside = new ArrayList<>();
  private long trainTexts;
  private long asideTexts;
  private double tokensPerSecond;
  private int[] order;
  private int at;

  TextFeed(
      TextTower tower,
      Tokenizer tokenizer,
      TrainSource.Texts texts,
      Training.Config config,
      Progress progress) {
    this.config = config;
    this.width = tower.config().width();
    this.random = new SplittableRandom(config.seed());
    List<HookPoint> points = config.points();
    try {
      long most = config.bufferBytes() / (4L * width * points.size());
      long[] tokens = count(tokenizer, texts.lines());
      if (tokens[0] == 0 || tokens[1] == 0) {
        throw new InputException(
            texts.file(), "too few texts to train and to measure on", "Give at least 10");
      }
      if (tokens[0] + tokens[1] > Math.min(most, Integer.MAX_VALUE - 8L)) {
        throw new InputException(
            texts.file(),
            tokens[0] + tokens[1] + " tokens do not fit into the buffer's " + most,
            "Raise --buffer-mb, or give fewer texts");
      }
      for (int i = 0; i < points.size(); i++) {
        buffers.add(new ActivationBuffer(tokens[0], width));
        aside.add(new ActivationBuffer(tokens[1], width));
      }
      long begin = System.nanoTime();
      fill(tower, tokenizer, texts.lines(), progress);
      tokensPerSecond = (tokens[0] + tokens[1]) / ((System.nanoTime() - begin) * 1e-9);
    } catch (RuntimeException e) {
      close();
      throw e;
    }
    order = buffers.getFirst().shuffled(random);
  }

  /** Tokens to train on, and tokens kept aside. */
  private long[] count(Tokenizer tokenizer, List<String> texts) {
    var read = new TextTokens(tokenizer, config.tokens());
    long[] tokens = new long[2];
    for (int from = 0; from < texts.size(); from += TextTokens.TEXTS_AT_ONCE) {
      List<String> part =
          texts.subList(from, Math.min(texts.size(), from + TextTokens.TEXTS_AT_ONCE));
      long[][] ids = tokenizer.encode(part);
      for (int i = 0; i < ids.length; i++) {
        tokens[isAside(from + i) ? 1 : 0] += read.count(ids[i]);
      }
    }
    return tokens;
  }

  private static boolean isAside(int text) {
    return text % ASIDE_EVERY == ASIDE_EVERY - 1;
  }

  private void fill(TextTower tower, Tokenizer tokenizer, List<String> texts, Progress progress) {
    try (var task = progress.start("reading texts", texts.size(), "texts")) {
      for (int from = 0; from < texts.size(); from += TextTokens.TEXTS_AT_ONCE) {
        List<String> part =
            texts.subList(from, Math.min(texts.size(), from + TextTokens.TEXTS_AT_ONCE));
        try (Scope scope = Scope.open()) {
          add(tower, tokenizer, tokenizer.encode(part), from);
        } catch (NotFiniteException e) {
          throw e.named(part);
        }
        task.advance(part.size(), 0);
      }
    }
  }

  private void add(TextTower tower, Tokenizer tokenizer, long[][] ids, int from) {
    var read = new TextTokens(tokenizer, config.tokens());
    Map<HookPoint, Tensor> seen = new HashMap<>();
    Hooks hooks = Hooks.NONE;
    List<HookPoint> points = config.points();
    Scope outer = Scope.open();
    try (outer) {
      for (HookPoint point : points) {
        hooks =
            hooks.tap(
                point,
                value -> {
                  NotFiniteException.check(point, value);
                  seen.put(point, outer.keep(value.to(DType.F32).contiguous()));
                });
      }
      tower.runUntil(ids, Collections.max(points), hooks);
      for (int p = 0; p < points.size(); p++) {
        Tensor value = seen.get(points.get(p));
        if (value == null) throw new IllegalStateException("nothing came by at " + points.get(p));
        for (int i = 0; i < ids.length; i++) {
          (isAside(from + i) ? aside : buffers)
              .get(p)
              .add(value.select(0, i).narrow(0, read.first(ids[i]), read.count(ids[i])));
        }
      }
    }
    for (int i = 0; i < ids.length; i++) {
      if (isAside(from + i)) asideTexts++;
      else trainTexts++;
    }
  }

  @Override
  public int batch() {
    return Math.min(config.batch(), order.length);
  }

  @Override
  public int width() {
    return width;
  }

  @Override
  public Tensor rows(int point) {
    return buffers.get(point).gather(order, at, batch());
  }

  @Override
  public void next() {
    at += batch();
    if (at + batch() <= order.length) return;
    order = buffers.getFirst().shuffled(random);
    at = 0;
  }

  @Override
  public Tensor sample(int point) {
    int[] sample = buffers.get(point).shuffled(new SplittableRandom(config.seed()));
    return buffers.get(point).gather(sample, 0, Math.min(sample.length, INITIAL_SAMPLE));
  }

  @Override
  public Reconstruction measure(Sae sae, int point) {
    return Reconstruction.measure(sae, aside.get(point));
  }

  @Override
  public long trainImages() {
    return trainTexts;
  }

  @Override
  public long asideImages() {
    return asideTexts;
  }

  @Override
  public List<ImageLoader.Skipped> skipped() {
    return List.of();
  }

  @Override
  public double harvestTokensPerSecond() {
    return tokensPerSecond;
  }

  @Override
  public void close() {
    buffers.forEach(ActivationBuffer::close);
    aside.forEach(ActivationBuffer::close);
  }
}
