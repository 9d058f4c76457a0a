// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.Tokenizer;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.NotFiniteException;
import io.clipsteer.engine.model.TextTower;
import io.clipsteer.lab.run.ActivationBuffer;
import io.clipsteer.lab.run.TextTokens;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** Runs CLIP's text tower over texts ({@link TextTokens}); all their tokens fit into memory. */
final class TextTokenSource implements TokenSource {
  private final TextTower tower;
  private final TextTokens tokens;
  private final List<String> texts;
  private final List<HookPoint> points;
  private final Progress progress;
  private final long trainTokens;
  private final long heldOutTokens;
  private double seconds;

  TextTokenSource(TrainSource.FromTexts source, TrainConfig config, Progress progress) {
    this.tower = Objects.requireNonNull(source.clip().text());
    Tokenizer tokenizer = Objects.requireNonNull(source.clip().tokenizer());
    this.tokens = new TextTokens(tokenizer, config.tokens());
    this.texts = source.texts();
    this.points = config.points();
    this.progress = progress;
    long[] count = new long[2];
    TextTokens.forEach(
        texts,
        (part, from) -> {
          long[][] ids = tokenizer.encode(part);
          for (int i = 0; i < ids.length; i++) {
            count[Feed.isHeldOut(from + i) ? 1 : 0] += tokens.count(ids[i]);
          }
        });
    trainTokens = count[0];
    heldOutTokens = count[1];
    if (trainTokens == 0 || heldOutTokens == 0) {
      throw new InputException(
          source.file(), "too few texts to train and to evaluate on", "Give at least 10");
    }
    long most = config.bufferBytes() / (4L * tower.config().width() * points.size());
    if (trainTokens + heldOutTokens > Math.min(most, Integer.MAX_VALUE - 8L)) {
      throw new InputException(
          source.file(),
          trainTokens + heldOutTokens + " tokens do not fit into the buffer's " + most,
          "Raise --buffer-mb, or give fewer texts");
    }
  }

  @Override
  public long capacity() {
    return trainTokens;
  }

  @Override
  public long heldOutCapacity() {
    return heldOutTokens;
  }

  @Override
  public boolean fill(List<ActivationBuffer> buffers, List<ActivationBuffer> heldOut) {
    long begin = System.nanoTime();
    try (var task = progress.start("reading texts", texts.size(), "texts")) {
      TextTokens.forEach(
          texts,
          (part, from) -> {
            long[][] ids = tokens.tokenizer().encode(part);
            try (Scope scope = Scope.open()) {
              Map<HookPoint, Tensor> values = TextTokens.residuals(tower, ids, points);
              for (int i = 0; i < ids.length; i++) {
                List<ActivationBuffer> target = Feed.isHeldOut(from + i) ? heldOut : buffers;
                int p = 0;
                for (Tensor value : values.values()) {
                  target.get(p++).add(tokens.of(value.select(0, i), ids[i]));
                }
              }
            } catch (NotFiniteException e) {
              throw e.named(part);
            }
            task.advance(part.size(), 0);
          });
    }
    seconds = (System.nanoTime() - begin) * 1e-9;
    return true;
  }

  @Override
  public Feed.FeedCounts counts() {
    int heldOut = texts.size() / Feed.HELD_OUT_EVERY;
    return new Feed.FeedCounts(
        texts.size() - heldOut, heldOut, List.of(), (trainTokens + heldOutTokens) / seconds);
  }

  @Override
  public void close() {
    // Nothing is held open.
  }
}
