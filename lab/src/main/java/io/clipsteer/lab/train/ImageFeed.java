// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.run.ActivationBuffer;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.Reconstruction;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Tokens straight from images. When the set fits into the buffers it is read once and trained on in
 * epochs; otherwise they are filled, trained on once, and filled again, for as many passes over the
 * set as it takes.
 */
final class ImageFeed implements Feed {
  private static final long EVALUATION_TOKENS = 100_000;
  private static final int INITIAL_SAMPLE = 65_536;

  private final Training.Config config;
  private final int width;
  private final SplittableRandom random;
  private final List<ActivationBuffer> buffers = new ArrayList<>();
  private final List<ActivationBuffer> aside = new ArrayList<>();
  private final TokenSource source;
  private final boolean whole;
  private int[] order;
  private int at;

  ImageFeed(ClipModel model, Images images, Training.Config config, Progress progress) {
    this.config = config;
    this.width = model.vision().config().width();
    this.random = new SplittableRandom(config.seed());
    int points = config.points().size();
    long most = Math.min(config.bufferBytes() / (4L * width * points), Integer.MAX_VALUE - 8L);
    long capacity = Math.max(config.batch(), Math.min(most, config.trainTokens()));
    long asideCapacity = Math.min(Math.max(config.batch(), most), EVALUATION_TOKENS);
    for (int i = 0; i < points; i++) {
      buffers.add(new ActivationBuffer(capacity, width));
      aside.add(new ActivationBuffer(asideCapacity, width));
    }
    source = new TokenSource(model, images, config.points(), config.tokens(), progress);
    try {
      whole = source.fill(buffers, aside);
      if (buffers.getFirst().size() == 0 || aside.getFirst().size() == 0) {
        throw new InputException(
            images.set().origin(),
            source.trainImages() + " images are too few to train and to measure on",
            "Give at least 10");
      }
    } catch (RuntimeException e) {
      close();
      throw e;
    }
    order = buffers.getFirst().shuffled(random);
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
    if (!whole) source.fill(buffers, aside);
    order = buffers.getFirst().shuffled(random);
    at = 0;
  }

  @Override
  public Tensor sample(int point) {
    // From the whole buffer: its beginning holds only the first images.
    int[] sample = buffers.get(point).shuffled(new SplittableRandom(config.seed()));
    return buffers.get(point).gather(sample, 0, Math.min(sample.length, INITIAL_SAMPLE));
  }

  @Override
  public Reconstruction measure(Sae sae, int point) {
    return Reconstruction.measure(sae, aside.get(point));
  }

  @Override
  public long trainImages() {
    return source.trainImages();
  }

  @Override
  public long asideImages() {
    return source.asideImages();
  }

  @Override
  public List<ImageLoader.Skipped> skipped() {
    return source.skipped();
  }

  @Override
  public double harvestTokensPerSecond() {
    return source.tokensPerSecond();
  }

  @Override
  public void close() {
    source.close();
    buffers.forEach(ActivationBuffer::close);
    aside.forEach(ActivationBuffer::close);
  }
}
