// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.run.Reconstruction;
import java.util.List;

/**
 * Where a training's tokens come from: batch after batch, the same tokens at every hook point, in
 * an order that the seed alone decides. Every tenth image (or text) is kept aside for measuring.
 */
sealed interface Feed extends AutoCloseable permits ImageFeed, StoreFeed, TextFeed {
  /** Tokens of a batch. */
  int batch();

  /** Numbers of a token. */
  int width();

  /** The current batch at one hook point, F32 [batch,width], in the current scope. */
  Tensor rows(int point);

  /** Goes on to the next batch. */
  void next();

  /** A sample to start from, F32 [n,width]. */
  Tensor sample(int point);

  /** How well an SAE gives back the tokens kept aside. */
  Reconstruction measure(Sae sae, int point);

  /** Images, or texts, trained on so far. */
  long trainImages();

  /** Images, or texts, kept aside. */
  long asideImages();

  /** Images left out. */
  List<ImageLoader.Skipped> skipped();

  /** Tokens a second, from files to activations; 0 where nothing was harvested. */
  double harvestTokensPerSecond();

  @Override
  void close();
}
