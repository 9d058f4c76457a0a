// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.run.Reconstruction;
import java.util.List;

/**
 * Where a training's tokens come from: batch after batch, the same tokens at every hook point, in
 * an order that depends on the seed alone. Every tenth image (or text) is held out for evaluation.
 */
sealed interface Feed extends AutoCloseable permits BufferedFeed, StoreFeed {
  /** One image, or text, of this many is held out. */
  int HELD_OUT_EVERY = 10;

  /** Most tokens of images that an SAE is evaluated on. */
  int EVALUATION_TOKENS = 100_000;

  /** Most tokens of {@link #sample}. */
  int INITIAL_SAMPLE = 65_536;

  /**
   * What was read so far.
   *
   * @param train images, or texts, trained on
   * @param heldOut images, or texts, held out
   * @param skipped images skipped
   * @param tokensPerSecond from files to activations; 0 where the tower did not run
   */
  record FeedCounts(
      long train, long heldOut, List<ImageLoader.Skipped> skipped, double tokensPerSecond) {}

  /** Whether the image, or text, of a number from 0 is held out. */
  static boolean isHeldOut(long number) {
    return number % HELD_OUT_EVERY == HELD_OUT_EVERY - 1;
  }

  /** Tokens of a batch. */
  int batch();

  /** Dimensions of a token. */
  int width();

  /** The current batch at one hook point, F32 [batch,width], in the current scope. */
  Tensor rows(int point);

  /** Advances to the next batch. */
  void next();

  /** A sample to initialise an SAE from, F32 [n,width]. */
  Tensor sample(int point);

  /** How well an SAE reconstructs the held-out tokens. */
  Reconstruction measure(Sae sae, int point);

  /** What was read so far. */
  FeedCounts counts();

  @Override
  void close();
}
