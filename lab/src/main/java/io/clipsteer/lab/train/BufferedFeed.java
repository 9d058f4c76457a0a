// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.run.ActivationBuffer;
import io.clipsteer.lab.run.Reconstruction;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Tokens straight from a tower. When all fit into the buffers, the tower runs once and training
 * takes epochs; otherwise the buffers are filled, trained on once, and filled again, for as many
 * passes over the data as it takes.
 */
final class BufferedFeed implements Feed {
  private final TrainConfig config;
  private final int width;
  private final TokenSource source;
  private final SplittableRandom random;
  private final List<ActivationBuffer> buffers = new ArrayList<>();
  private final List<ActivationBuffer> heldOut = new ArrayList<>();
  private final boolean whole;
  private int[] order;
  private int at;

  /**
   * A feed at its first batch.
   *
   * @param source closed with the feed, also when this constructor throws
   * @param width d
   */
  BufferedFeed(TokenSource source, int width, TrainConfig config) {
    this.config = config;
    this.width = width;
    this.source = source;
    this.random = new SplittableRandom(config.seed());
    try {
      for (int i = 0; i < config.points().size(); i++) {
        buffers.add(new ActivationBuffer(source.capacity(), width));
        heldOut.add(new ActivationBuffer(source.heldOutCapacity(), width));
      }
      whole = source.fill(buffers, heldOut);
    } catch (RuntimeException e) {
      close();
      throw e;
    }
    order = buffers.getFirst().shuffled(random);
  }

  @Override
  public int batch() {
    return Math.min(config.schedule().batch(), order.length);
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
    if (!whole) source.fill(buffers, heldOut);
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
    return Reconstruction.measure(sae, heldOut.get(point));
  }

  @Override
  public Counts counts() {
    return source.counts();
  }

  @Override
  public void close() {
    source.close();
    buffers.forEach(ActivationBuffer::close);
    heldOut.forEach(ActivationBuffer::close);
  }
}
