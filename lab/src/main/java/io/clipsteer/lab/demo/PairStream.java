// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.demo;

import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.engine.checkpoint.Tokenizer;
import io.clipsteer.world.Biases;
import io.clipsteer.world.DrawnImage;
import io.clipsteer.world.Sampler;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Batches of drawn images and their captions, one drawn ahead on a thread of its own. Batch n is a
 * function of the configuration and n.
 */
final class PairStream implements AutoCloseable {
  /**
   * Pairs.
   *
   * @param pixels [b,3,h,w], normalised
   * @param ids rows of token ids: b first captions, then b second ones, and so on
   */
  record Pairs(float[] pixels, long[][] ids) {}

  private final PretrainConfig config;
  private final Tokenizer tokenizer;
  private final Preprocessing preprocessing;
  private final ExecutorService painter =
      Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().name("painter").factory());
  private int at;
  private Future<Pairs> next;

  /**
   * A stream.
   *
   * @param start the first batch's number
   */
  PairStream(PretrainConfig config, Tokenizer tokenizer, int start) {
    this.config = config;
    this.tokenizer = tokenizer;
    this.preprocessing = Preprocessing.clip(config.imageSize());
    this.at = start;
    this.next = painter.submit(() -> make(start));
  }

  Pairs next() {
    Pairs ready;
    try {
      ready = next.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while drawing", e);
    } catch (ExecutionException e) {
      // Such as that memory does not suffice, which is reported in one line.
      if (e.getCause() instanceof Error reason) throw reason;
      throw new IllegalStateException("drawing failed", e.getCause());
    }
    int following = ++at;
    next = painter.submit(() -> make(following));
    return ready;
  }

  private Pairs make(int batch) {
    int b = config.batch();
    Biases biases = config.biases(batch);
    Sampler sampler = new Sampler(Sampler.seedOf(config.seed(), "train"), biases);
    float[] pixels = new float[b * preprocessing.floats()];
    int sets = config.captions();
    String[] captions = new String[sets * b];
    for (int i = 0; i < b; i++) {
      DrawnImage image = sampler.mixed((long) batch * b + i);
      preprocessing.applyInto(image.paint(config.imageSize()), pixels, i * preprocessing.floats());
      List<String> worded = image.captions(sets, biases);
      for (int set = 0; set < sets; set++) captions[set * b + i] = worded.get(set);
    }
    return new Pairs(pixels, tokenizer.encode(List.of(captions)));
  }

  @Override
  public void close() {
    painter.shutdownNow();
  }
}
