// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.data.image.LabelMap;
import io.clipsteer.data.imageset.SegmentationSet;
import io.clipsteer.engine.model.VisionTower;
import io.clipsteer.lab.probe.LabelledFeatures;
import io.clipsteer.lab.probe.ProbeData;
import io.clipsteer.lab.run.Images;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * The right answers of kept images' items.
 *
 * @param labels class of each item, −1 without one
 */
record ItemLabels(int[] labels) {
  static ItemLabels of(ProbeData data, Images images, KeptImages kept, VisionTower tower) {
    return switch (data) {
      case ProbeData.Whole whole ->
          new ItemLabels(
              kept.ids().stream().mapToInt(id -> whole.labels().getOrDefault(id, -1)).toArray());
      case ProbeData.Pixels pixels -> {
        int patch = tower.config().patch();
        var shape = images.preprocessing();
        Map<String, int[]> labels =
            pixels
                .set()
                .masks(
                    mask -> {
                      LabelMap seen = shape.resizedAndCropped(mask, SegmentationSet.NONE);
                      return LabelledFeatures.patches(seen, patch);
                    });
        yield new ItemLabels(
            kept.ids().stream()
                .flatMapToInt(id -> Arrays.stream(Objects.requireNonNull(labels.get(id))))
                .toArray());
      }
    };
  }

  /** Mean IoU of answers over the classes that items have, or the answers' accuracy. */
  double score(int[] answers, int classes, boolean accuracy) {
    long[] right = new long[classes];
    long[] truth = new long[classes];
    long[] answered = new long[classes];
    for (int i = 0; i < labels.length; i++) {
      if (labels[i] < 0) continue;
      truth[labels[i]]++;
      answered[answers[i]]++;
      if (answers[i] == labels[i]) right[labels[i]]++;
    }
    if (accuracy) return (double) Arrays.stream(right).sum() / Arrays.stream(truth).sum();
    return IntStream.range(0, classes)
        .filter(c -> truth[c] > 0)
        .mapToDouble(c -> (double) right[c] / (truth[c] + answered[c] - right[c]))
        .average()
        .orElse(Double.NaN);
  }
}
