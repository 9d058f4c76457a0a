// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.lab.run.ActivationBuffer;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.TowerWalk;
import java.util.List;

/**
 * Runs the vision tower over images up to the last hook point, pass after pass as long as tokens
 * are wanted. Images are held out in the first pass alone.
 */
final class ImageTokenSource implements TokenSource {
  private final ClipModel model;
  private final Images images;
  private final TrainConfig config;
  private final Progress progress;

  private ImageLoader loader;
  private List<ImageLoader.Skipped> skipped = List.of();
  private boolean firstPass = true;
  private int fills;
  private long position;
  private long nanos;
  private long harvested;
  private long train;
  private long heldOut;

  ImageTokenSource(ClipModel model, Images images, TrainConfig config, Progress progress) {
    this.model = model;
    this.images = images;
    this.config = config;
    this.progress = progress;
    this.loader = images.open();
  }

  /** Tokens that fit into the configured memory, at least one batch. */
  private long most() {
    long bytes = 4L * model.vision().config().width() * config.points().size();
    long most = Math.min(config.bufferBytes() / bytes, Integer.MAX_VALUE - 8L);
    return Math.max(config.schedule().batch(), most);
  }

  @Override
  public long capacity() {
    long wanted = Math.max(config.schedule().batch(), config.schedule().trainTokens());
    return Math.min(most(), wanted);
  }

  @Override
  public long heldOutCapacity() {
    return Math.min(most(), Feed.EVALUATION_TOKENS);
  }

  @Override
  public boolean fill(List<ActivationBuffer> buffers, List<ActivationBuffer> aside) {
    buffers.forEach(ActivationBuffer::clear);
    boolean everything = fillUp(buffers, aside);
    if (++fills == 1 && (buffers.getFirst().size() == 0 || heldOut == 0)) {
      throw new InputException(
          images.set().origin(),
          train + " images are too few to train and to evaluate on",
          "Give at least 10");
    }
    return everything;
  }

  private boolean fillUp(List<ActivationBuffer> buffers, List<ActivationBuffer> aside) {
    double flops = TowerWalk.past(model.vision(), config.points()).flopsPerImage();
    long begin = System.nanoTime();
    long total = firstPass ? images.count() : -1;
    try (var task = progress.start("harvesting " + names(), total, "images")) {
      // Even a small buffer is not full before an image was held out.
      while (!buffers.getFirst().isFull() || (firstPass && heldOut == 0)) {
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

  /** Starts the next pass, unless this was the first and everything is in the buffers. */
  private boolean endOfPass() {
    if (position == 0) throw images.nothing(loader.skipped());
    boolean everything = firstPass && fills == 0;
    if (firstPass) skipped = loader.skipped();
    firstPass = false;
    position = 0;
    loader.close();
    if (!everything) loader = images.open();
    return everything;
  }

  private void take(
      ImageBatch batch, List<ActivationBuffer> buffers, List<ActivationBuffer> aside) {
    List<Tensor> values =
        Harvest.activations(model, images, batch, config.points(), config.tokens());
    for (int i = 0; i < batch.count(); i++) {
      boolean isHeldOut = Feed.isHeldOut(position++);
      if (isHeldOut ? !firstPass : buffers.getFirst().isFull()) continue;
      for (int p = 0; p < values.size(); p++) {
        (isHeldOut ? aside : buffers).get(p).add(values.get(p).select(0, i));
      }
      if (isHeldOut) heldOut++;
      else if (firstPass) train++;
    }
    harvested += (long) batch.count() * values.getFirst().size(1);
    values.forEach(Tensor::close);
  }

  private String names() {
    int points = config.points().size();
    return points == 1 ? config.points().getFirst().peerName() : points + " hook points";
  }

  @Override
  public Feed.Counts counts() {
    return new Feed.Counts(
        train, heldOut, firstPass ? loader.skipped() : skipped, harvested / (nanos * 1e-9));
  }

  @Override
  public void close() {
    loader.close();
  }
}
