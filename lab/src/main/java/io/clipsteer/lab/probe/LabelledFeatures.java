// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.probe;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.image.LabelMap;
import io.clipsteer.data.imageset.SegmentationSet;
import io.clipsteer.data.stats.RandomOrder;
import io.clipsteer.engine.model.VisionTower;
import io.clipsteer.lab.run.Images;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Features with their answers.
 *
 * @param labels of each row; −1 where there is none
 * @param masks of each image in the size of the tower's input, {@link SegmentationSet#NONE} where a
 *     pixel has no class; empty for images with one class
 * @param grid columns of patches; 1 for images with one class
 */
public record LabelledFeatures(
    FrozenFeatures features, int[] labels, List<LabelMap> masks, int grid) {
  /** Runs the tower over labelled images; masks are read, and faults in them named, before. */
  public static LabelledFeatures of(
      VisionTower tower, ProbeData data, Images images, Probe.Reads reads, Progress progress) {
    return switch (data) {
      case ProbeData.Whole whole -> {
        var all = FrozenFeatures.of(tower, images, reads.layer(), reads.input(), progress);
        int[] labels =
            all.ids().stream().mapToInt(id -> whole.labels().getOrDefault(id, -1)).toArray();
        int[] known = IntStream.range(0, labels.length).filter(i -> labels[i] >= 0).toArray();
        if (known.length == 0) {
          throw new InputException(
              images.set().origin(), "no image that could be read has a label", "Label some");
        }
        yield new LabelledFeatures(all, labels, List.of(), 1).some(known);
      }
      case ProbeData.Pixels pixels -> {
        var shape = images.preprocessing();
        Map<String, LabelMap> read =
            pixels.set().masks(mask -> shape.resizedAndCropped(mask, SegmentationSet.NONE));
        var all = FrozenFeatures.of(tower, images, reads.layer(), reads.input(), progress);
        List<LabelMap> masks = new ArrayList<>();
        for (String id : all.ids()) masks.add(Objects.requireNonNull(read.get(id)));
        int patch = tower.config().patch();
        int[] labels =
            masks.stream().flatMapToInt(mask -> Arrays.stream(patches(mask, patch))).toArray();
        if (Arrays.stream(labels).allMatch(label -> label < 0)) {
          throw new InputException(
              pixels.set().masks(), "no patch has a class: all are ignored", "Correct --ignore");
        }
        yield new LabelledFeatures(all, labels, masks, shape.width() / patch);
      }
    };
  }

  /**
   * The commonest label of each patch's pixels, of equal ones the lower; −1 where pixels without a
   * class are the commonest.
   */
  public static int[] patches(LabelMap mask, int side) {
    int columns = mask.width() / side;
    int[] labels = new int[mask.height() / side * columns];
    for (int p = 0; p < labels.length; p++) {
      int[] counts = new int[256];
      for (int y = p / columns * side; y < (p / columns + 1) * side; y++) {
        for (int x = p % columns * side; x < (p % columns + 1) * side; x++) {
          counts[mask.labels()[y * mask.width() + x] & 255]++;
        }
      }
      int best = 0;
      for (int label = 1; label < counts.length; label++) {
        if (counts[label] > counts[best]) best = label;
      }
      labels[p] = best == SegmentationSet.NONE ? -1 : best;
    }
    return labels;
  }

  /** Number of images. */
  int images() {
    return features.images();
  }

  /** Some images. */
  LabelledFeatures some(int[] which) {
    int each = features.each();
    int[] part = new int[which.length * each];
    for (int i = 0; i < which.length; i++) {
      System.arraycopy(labels, which[i] * each, part, i * each, each);
    }
    List<LabelMap> few =
        masks.isEmpty() ? masks : Arrays.stream(which).mapToObj(masks::get).toList();
    return new LabelledFeatures(features.some(which), part, few, grid);
  }

  /** A random share of the images, and the others. */
  public List<LabelledFeatures> split(double share, long seed) {
    int n = images();
    int[] order = RandomOrder.of(n, new SplittableRandom(seed));
    int first = Math.max(1, Math.min(n - 1, (int) Math.round(share * n)));
    return List.of(
        some(Arrays.stream(order, 0, first).sorted().toArray()),
        some(Arrays.stream(order, first, n).sorted().toArray()));
  }

  /** The rows that have a label. */
  record LabelledRows(float[] rows, int[] labels) {}

  LabelledRows labelled() {
    int d = features.width();
    int[] known = IntStream.range(0, labels.length).filter(i -> labels[i] >= 0).toArray();
    float[] rows = new float[Math.multiplyExact(known.length, d)];
    for (int i = 0; i < known.length; i++) {
      System.arraycopy(features.rows(), known[i] * d, rows, i * d, d);
    }
    return new LabelledRows(rows, Arrays.stream(known).map(i -> labels[i]).toArray());
  }
}
