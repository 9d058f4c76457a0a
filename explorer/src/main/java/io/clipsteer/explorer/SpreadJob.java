// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.stats.RandomOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Images on which a feature is active from strongly to not at all: the top alone shows a feature
 * clearer than it is.
 */
final class SpreadJob {
  private static final int PER_PART = 4;
  private static final int DECILES = 10;

  /**
   * An image of a part.
   *
   * @param max largest activation
   */
  record SpreadImage(String image, float max) {}

  /**
   * Some images of a part.
   *
   * @param part "decile 10" (the strongest tenth of the images on which it is active) to "decile
   *     1", "lowest" (above 0) or "not active"
   * @param count of images in the part
   */
  record SpreadPart(String part, int count, List<SpreadImage> images) {}

  /** What comes out. */
  record SpreadResult(int sae, int id, int images, List<SpreadPart> parts) {}

  private final Workbench workbench;
  private final ImageShelf images;
  private final int sae;
  private final int id;
  private final SplittableRandom random;
  private final List<SpreadImage> all = new ArrayList<>();

  SpreadJob(Workbench workbench, ImageShelf images, int sae, int id, long seed) {
    this.workbench = workbench;
    this.images = images;
    this.sae = sae;
    this.id = id;
    random = new SplittableRandom(seed);
  }

  void add(String image) {
    float[] maxima = workbench.maxima(images.decoded(image)).get(sae);
    all.add(new SpreadImage(image, maxima[id]));
  }

  Object result() {
    List<SpreadImage> active =
        all.stream()
            .filter(one -> one.max > 0)
            .sorted(Comparator.comparingDouble(SpreadImage::max))
            .toList();
    List<SpreadImage> rest = all.stream().filter(one -> one.max <= 0).toList();
    List<SpreadPart> parts = new ArrayList<>();
    for (int k = DECILES; k > 0; k--) {
      int from = active.size() * (k - 1) / DECILES;
      int to = active.size() * k / DECILES;
      parts.add(some("decile " + k, active.subList(from, to)));
    }
    int few = Math.min(PER_PART, active.size());
    parts.add(new SpreadPart("lowest", active.size(), active.subList(0, few)));
    parts.add(some("not active", rest));
    return new SpreadResult(sae, id, all.size(), parts);
  }

  private SpreadPart some(String part, List<SpreadImage> from) {
    List<SpreadImage> drawn =
        Arrays.stream(RandomOrder.of(from.size(), random))
            .limit(PER_PART)
            .mapToObj(from::get)
            .toList();
    return new SpreadPart(part, from.size(), drawn);
  }
}
