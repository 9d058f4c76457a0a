// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.data.imageset.ImageCursor;
import io.clipsteer.data.imageset.ImageItem;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.NotFiniteException;
import java.util.Collections;

/**
 * How fast this process runs images through a tower, measured on a batch.
 *
 * @param flopsPerSecond of the tower
 * @param decodeSeconds from an image's file to pixels, with the decoding threads together
 * @param imageBytes of an image's file, mean
 * @param residentBytes most memory of this process until then, with the model
 */
public record TowerRate(
    double flopsPerSecond, double decodeSeconds, double imageBytes, long residentBytes) {
  private static final int SOME_IMAGES = 64;

  /** Measures: two grey batches through the tower, and the first images from their files. */
  public static TowerRate measure(ClipModel model, Images images) {
    var config = model.vision().config();
    HookPoint last = HookPoint.residPost(config.layers() - 1);
    double tower = secondsPerImage(model, images, last);
    double rate =
        (model.vision().flopsPerImage() - model.vision().flopsAfter(last.layer())) / tower;
    var some = images.options().withLimit(Math.min(SOME_IMAGES, images.options().limit()));
    long begin = System.nanoTime();
    long read = 0;
    try (ImageLoader loader = new Images(images.set(), images.preprocessing(), some).open()) {
      for (ImageBatch batch = loader.next(); batch != null; batch = loader.next()) {
        read += batch.count();
      }
    }
    double decode = (System.nanoTime() - begin) * 1e-9 / Math.max(1, read);
    return new TowerRate(rate, decode, imageBytes(images, some.limit()), Engine.peakBytes());
  }

  private static double imageBytes(Images images, long limit) {
    long bytes = 0;
    long count = 0;
    try (ImageCursor cursor = images.set().cursor()) {
      for (ImageItem item = cursor.next(); item != null && count < limit; item = cursor.next()) {
        bytes += item.bytes().length;
        count++;
      }
    }
    return count == 0 ? 0 : (double) bytes / count;
  }

  /**
   * Seconds that the tower takes per image up to a hook point, by the second of two grey batches.
   */
  public static double secondsPerImage(ClipModel model, Images images, HookPoint last) {
    int batch = (int) Math.min(images.options().batchSize(), Math.max(1, images.count()));
    int height = images.preprocessing().height();
    int width = images.preprocessing().width();
    double seconds = 0;
    for (int i = 0; i < 2; i++) {
      long begin = System.nanoTime();
      try (Scope scope = Scope.open()) {
        Tensor grey = Tensor.zeros(DType.F32, batch, 3, height, width);
        model.vision().runUntil(grey.to(model.vision().device()), last, Hooks.NONE);
      } catch (NotFiniteException e) {
        throw e.named(Collections.nCopies(batch, "a grey image"));
      }
      seconds = (System.nanoTime() - begin) * 1e-9;
    }
    return seconds / batch;
  }

  /**
   * Seconds for images from their files, which are decoded beside the tower.
   *
   * @param flops of each image
   */
  public double seconds(double images, double flops) {
    return images * Math.max(flops / flopsPerSecond, decodeSeconds);
  }

  /** Bytes of image files. */
  public double bytes(double images) {
    return images * imageBytes;
  }
}
