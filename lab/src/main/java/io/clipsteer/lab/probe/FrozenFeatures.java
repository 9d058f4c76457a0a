// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.probe;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.VisionTower;
import io.clipsteer.lab.run.Images;
import java.util.ArrayList;
import java.util.List;

/**
 * What a frozen tower says of images: the rows that linear heads read.
 *
 * @param ids of the images that could be read
 * @param rows [images·each,width], image by image
 * @param each rows of an image: 1, or one for each patch, row by row
 * @param skipped images that could not be read
 */
public record FrozenFeatures(
    List<String> ids, float[] rows, int each, int width, List<ImageLoader.Skipped> skipped) {

  /**
   * Runs the tower once over the images.
   *
   * @param layer whose residual is read; of no use for {@link HeadInput#EMBEDDING}
   * @throws InputException where the tower has no class token, or the rows do not fit into an array
   */
  public static FrozenFeatures of(
      VisionTower tower, Images images, int layer, HeadInput input, Progress progress) {
    tower.check(HookPoint.residPost(layer));
    if (input == HeadInput.CLS && tower.config().prefixTokens() == 0) {
      throw new InputException(
          "--features cls", "this model has no class token", "Use mean or embedding");
    }
    List<String> ids = new ArrayList<>();
    List<float[]> parts = new ArrayList<>();
    long[] numbers = new long[1];
    var skipped =
        images.forEach(
            "running images through the tower",
            tower.flopsPerImage(),
            progress,
            (batch, pixels) -> {
              Tensor rows = rows(tower, pixels, layer, input).to(DType.F32).to(Device.CPU);
              float[] values = rows.toFloats();
              numbers[0] += values.length;
              if (numbers[0] > Integer.MAX_VALUE - 16) {
                throw new InputException(
                    images.set().origin(),
                    "its features are more than 2^31 numbers",
                    "Use fewer images");
              }
              ids.addAll(batch.ids());
              parts.add(values);
            });
    float[] all = new float[Math.toIntExact(numbers[0])];
    int at = 0;
    for (float[] part : parts) {
      System.arraycopy(part, 0, all, at, part.length);
      at += part.length;
    }
    int patch = tower.config().patch();
    var shape = images.preprocessing();
    int each = input == HeadInput.PATCHES ? shape.height() / patch * (shape.width() / patch) : 1;
    return new FrozenFeatures(List.copyOf(ids), all, each, all.length / each / ids.size(), skipped);
  }

  private static Tensor rows(VisionTower tower, Tensor pixels, int layer, HeadInput input) {
    if (input == HeadInput.EMBEDDING) return tower.run(pixels, Hooks.NONE).embedding();
    Tensor residual = tower.runUntil(pixels, HookPoint.residPost(layer), Hooks.NONE).value();
    if (input == HeadInput.CLS) return tower.normed(residual.narrow(1, 0, 1).contiguous());
    int prefix = tower.config().prefixTokens();
    long patches = residual.size(1) - prefix;
    Tensor normed = tower.normed(residual.narrow(1, prefix, patches).contiguous());
    return input == HeadInput.MEAN ? normed.mean(1, false) : normed;
  }

  /** Number of images. */
  public int images() {
    return ids.size();
  }

  /** Some images, in the order of their indices here. */
  FrozenFeatures some(int[] which) {
    int length = each * width;
    float[] part = new float[which.length * length];
    List<String> names = new ArrayList<>();
    for (int i = 0; i < which.length; i++) {
      System.arraycopy(rows, which[i] * length, part, i * length, length);
      names.add(ids.get(which[i]));
    }
    return new FrozenFeatures(names, part, each, width, List.of());
  }
}
