// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.lab.run.ActivationBuffer;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.TowerWalk;
import java.util.List;

/**
 * Runs a tower over images up to a hook point, again and again as long as tokens are wanted. In the
 * first pass every tenth image goes aside for measuring; it is never trained on.
 */
final class TokenSource implements AutoCloseable {
  private static final int ASIDE_EVERY = 10;

  private final ClipModel model;
  private final Images images;
  private final List<HookPoint> points;
  private final TokenSelection tokens;
  private final Progress progress;

  private ImageLoader loader;
  private List<ImageLoader.Skipped> skipped = List.of();
  private boolean firstPass = true;
  private int fills;
  private long position;
  private long nanos;
  private long harvested;
  private long trainImages;
  private long asideImages;

  TokenSource(
      ClipModel model,
      Images images,
      List<HookPoint> points,
      TokenSelection tokens,
      Progress progress) {
    this.model = model;
    this.images = images;
    this.points = points;
    this.tokens = tokens;
    this.progress = progress;
    this.loader = images.open();
  }

  /**
   * Empties the buffers, one for each hook point, and fills them with the same tokens.
   *
   * @return true when the whole set fitted in, so that there is nothing else to come
   */
  boolean fill(List<ActivationBuffer> buffers, List<ActivationBuffer> aside) {
    buffers.forEach(ActivationBuffer::clear);
    fills++;
    double flops = TowerWalk.past(model.vision(), points).flopsPerImage();
    long begin = System.nanoTime();
    long total = firstPass ? images.count() : -1;
    try (var task = progress.start("harvesting " + names(), total, "images")) {
      // Even a small buffer is not full before an image for measuring has come by.
      while (!buffers.getFirst().isFull() || (firstPass && asideImages == 0)) {
        ImageBatch batch = loader.next();
        if (batch == null) {
          if (endOfPass()) return true;
          continue;
        }
        try (Scope scope = Scope.open()) {
          take(batch, buffers, aside);
        }
        task.advance(batch.count(), flops * batch.count());
      }
    } finally {
      nanos += System.nanoTime() - begin;
    }
    return false;
  }

  /** Starts the next pass, unless this was the first and everything is in the buffer. */
  private boolean endOfPass() {
    if (position == 0) throw images.nothing(loader.skipped());
    boolean everything = firstPass && fills == 1;
    if (firstPass) skipped = loader.skipped();
    firstPass = false;
    position = 0;
    loader.close();
    if (!everything) loader = images.open();
    return everything;
  }

  private void take(
      ImageBatch batch, List<ActivationBuffer> buffers, List<ActivationBuffer> aside) {
    List<Tensor> values = Harvest.activations(model, images, batch, points, tokens);
    for (int i = 0; i < batch.count(); i++) {
      boolean isAside = position++ % ASIDE_EVERY == ASIDE_EVERY - 1;
      if (isAside ? !firstPass : buffers.getFirst().isFull()) continue;
      for (int p = 0; p < values.size(); p++) {
        (isAside ? aside : buffers).get(p).add(values.get(p).select(0, i));
      }
      if (isAside) asideImages++;
      else if (firstPass) trainImages++;
    }
    harvested += (long) batch.count() * values.getFirst().size(1);
    values.forEach(Tensor::close);
  }

  private String names() {
    return points.size() == 1 ? points.getFirst().peerName() : points.size() + " hook points";
  }

  /** Images trained on. */
  long trainImages() {
    return trainImages;
  }

  /** Images kept aside. */
  long asideImages() {
    return asideImages;
  }

  /** Images left out in the first pass. */
  List<ImageLoader.Skipped> skipped() {
    return firstPass ? loader.skipped() : skipped;
  }

  /** Tokens a second, from files to activations. */
  double tokensPerSecond() {
    return harvested / (nanos * 1e-9);
  }

  @Override
  public void close() {
    loader.close();
  }
}
