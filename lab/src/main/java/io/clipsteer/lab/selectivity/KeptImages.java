// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.VisionTower;
import io.clipsteer.lab.run.Images;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Images' residuals at a hook point, held in memory.
 *
 * @param ids of the images that could be read
 * @param tokens residuals of all tokens, F32 [images·each,d], image by image, on the CPU
 * @param each tokens of an image
 * @param prefix how many of these come before the patches
 * @param skipped images that could not be read
 */
record KeptImages(
    List<String> ids, Tensor tokens, int each, int prefix, List<ImageLoader.Skipped> skipped)
    implements AutoCloseable {
  private static final long MOST_BYTES = 4L << 30;

  /** Runs the images to the hook point. */
  static KeptImages of(VisionTower tower, Images images, HookPoint point, Progress progress) {
    List<String> ids = new ArrayList<>();
    List<Tensor> parts = new ArrayList<>();
    long[] bytes = new long[1];
    try (Scope scope = Scope.open()) {
      var skipped =
          images.forEach(
              "running to " + point.peerName(),
              tower.flopsPerImage() - tower.flopsAfter(point.layer()),
              progress,
              (batch, pixels) -> {
                Tensor value = tower.runUntil(pixels, point, Hooks.NONE).value();
                Tensor kept = value.to(Device.CPU).to(DType.F32);
                bytes[0] += kept.bytes();
                if (bytes[0] > MOST_BYTES) {
                  throw new InputException(
                      images.set().origin(),
                      "its residuals take more than 4 GiB",
                      "Give fewer images");
                }
                ids.addAll(batch.ids());
                parts.add(scope.keep(kept.copy()));
              });
      Tensor all = Tensor.concat(parts, 0);
      long each = all.size(1);
      Tensor rows = scope.release(all.reshape(all.size(0) * each, all.size(2)).copy());
      int prefix = tower.config().prefixTokens();
      return new KeptImages(
          List.copyOf(ids), rows, Math.toIntExact(each), prefix, List.copyOf(skipped));
    }
  }

  /**
   * Some of the images, in the order of their indices here.
   *
   * @param without images that could not be read and belong to them
   */
  KeptImages some(int[] which, List<ImageLoader.Skipped> without) {
    long[] rows =
        Arrays.stream(which)
            .flatMap(i -> IntStream.range(i * each, (i + 1) * each))
            .asLongStream()
            .toArray();
    try (Scope scope = Scope.open()) {
      Tensor part = tokens.indexSelect(0, Tensor.of(rows, rows.length));
      List<String> names = Arrays.stream(which).mapToObj(ids::get).toList();
      return new KeptImages(names, scope.release(part.copy()), each, prefix, without);
    }
  }

  int images() {
    return ids.size();
  }

  int patches() {
    return each - prefix;
  }

  int width() {
    return Math.toIntExact(tokens.size(1));
  }

  /** Residuals of some images [n,each,d], in the current scope. */
  Tensor residuals(int[] which) {
    long[] numbers = Arrays.stream(which).asLongStream().toArray();
    return tokens
        .reshape(images(), each, tokens.size(1))
        .indexSelect(0, Tensor.of(numbers, numbers.length));
  }

  @Override
  public void close() {
    tokens.close();
  }
}
