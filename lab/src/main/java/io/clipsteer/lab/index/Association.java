// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.stats.Auroc;
import io.clipsteer.data.stats.Correlation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Association of a unit's score with a label, over the labelled images.
 *
 * @param unit its number
 * @param label its number
 * @param byMax whether an image's score is the largest activation of its tokens; else their mean
 * @param positives images with the label
 * @param auroc of the score as a classifier of the label
 * @param correlation of the score with the label (point-biserial)
 */
record Association(
    int unit, int label, boolean byMax, long positives, Auroc auroc, Correlation correlation) {
  /** Beyond so many pairs of units and labels, only each unit's closest labels are kept. */
  static final long MOST_PAIRS = 10_000_000;

  static final int CLOSEST = 20;

  /** The labelled images. */
  static final class ImageLabels {
    private int[] @Nullable [] labels = new int[64][];
    private long[] positives = new long[16];
    private long images;

    void add(int image, int[] of) {
      if (image >= labels.length) {
        labels = Arrays.copyOf(labels, Math.max(image + 1, labels.length * 2));
      }
      labels[image] = of;
      images++;
      for (int label : of) {
        if (label >= positives.length) {
          positives = Arrays.copyOf(positives, Math.max(label + 1, positives.length * 2));
        }
        positives[label]++;
      }
    }

    long images() {
      return images;
    }

    /** An image's labels; null for an image without a row. */
    private int @Nullable [] of(int image) {
      return image < labels.length ? labels[image] : null;
    }

    long positives(int label) {
      return label < positives.length ? positives[label] : 0;
    }

    /** A hash of the set of images of each label. */
    long[] hashes(int count) {
      long[] hashes = new long[count];
      for (int image = 0; image < labels.length; image++) {
        int[] own = labels[image];
        if (own == null) continue;
        long bits = new SplittableRandom(image).nextLong();
        for (int label : own) hashes[label] += bits;
      }
      return hashes;
    }
  }

  /**
   * Every unit active on a labelled image, with every label that some images have and some do not;
   * by unit, label, then score.
   *
   * @param labels by number, whether the label takes part
   */
  static void all(
      ScoreFile scores,
      int units,
      ImageLabels known,
      boolean[] labels,
      Consumer<Association> consumer) {
    for (int low = 0; low < units; ) {
      int high = scores.end(low, ScoreFile.BUDGET);
      ScoreFile.Slice slice = scores.read(low, high);
      int from = low;
      IntStream.range(low, high)
          .parallel()
          .mapToObj(unit -> of(slice, unit, from, known, labels))
          .map(list -> (long) units * labels.length > MOST_PAIRS ? closest(list) : list)
          .toList()
          .forEach(list -> list.forEach(consumer));
      low = high;
    }
  }

  private static List<Association> of(
      ScoreFile.Slice slice, int unit, int low, ImageLabels known, boolean[] labels) {
    int from = slice.starts()[unit - low];
    int to = slice.starts()[unit - low + 1];
    if (IntStream.range(from, to).allMatch(e -> known.of(slice.images()[e]) == null)) {
      return List.of();
    }
    Ranked max = new Ranked(slice, slice.max(), from, to, known, labels.length);
    Ranked mean = new Ranked(slice, slice.mean(), from, to, known, labels.length);
    List<Association> all = new ArrayList<>();
    for (int label = 0; label < labels.length; label++) {
      long positives = known.positives(label);
      if (!labels[label] || positives == 0 || positives == known.images()) continue;
      all.add(max.with(unit, label, true, known));
      all.add(mean.with(unit, label, false, known));
    }
    return all;
  }

  private static List<Association> closest(List<Association> all) {
    List<Association> kept = new ArrayList<>();
    for (boolean byMax : new boolean[] {true, false}) {
      all.stream()
          .filter(a -> a.byMax == byMax)
          .sorted(
              Comparator.comparing((Association a) -> a.positives < IndexFolder.FEW_IMAGES)
                  .thenComparingDouble(a -> -Math.abs(a.auroc.value() - 0.5)))
          .limit(CLOSEST)
          .forEach(kept::add);
    }
    return kept;
  }

  /** One unit's scores in ascending order, summed by label. */
  private static final class Ranked {
    private final double[] rankSum;
    private final double[] scoreSum;
    private final long[] count;
    private final long zeros;
    private double sum;
    private double squares;

    Ranked(ScoreFile.Slice slice, float[] scores, int from, int to, ImageLabels known, int labels) {
      rankSum = new double[labels];
      scoreSum = new double[labels];
      count = new long[labels];
      // Positive floats order as their bits do.
      long[] order =
          IntStream.range(from, to)
              .filter(e -> known.of(slice.images()[e]) != null)
              .mapToLong(e -> (long) Float.floatToIntBits(scores[e]) << 32 | e)
              .sorted()
              .toArray();
      int n = order.length;
      zeros = known.images() - n;
      for (int i = 0; i < n; ) {
        int end = i + 1;
        while (end < n && order[end] >> 32 == order[i] >> 32) end++;
        // Ranks from 1; all images on which the unit is inactive rank below.
        double rank = zeros + (i + 1 + end) / 2.0;
        for (; i < end; i++) {
          int at = (int) order[i];
          double score = scores[at];
          sum += score;
          squares += score * score;
          for (int label : Objects.requireNonNull(known.of(slice.images()[at]))) {
            rankSum[label] += rank;
            scoreSum[label] += score;
            count[label]++;
          }
        }
      }
    }

    Association with(int unit, int label, boolean byMax, ImageLabels known) {
      long positives = known.positives(label);
      long negatives = known.images() - positives;
      double ranks = rankSum[label] + (positives - count[label]) * (zeros + 1) / 2.0;
      double area = (ranks - positives * (positives + 1) / 2.0) / ((double) positives * negatives);
      return new Association(
          unit,
          label,
          byMax,
          positives,
          Auroc.of(Math.clamp(area, 0.0, 1.0), positives, negatives),
          Correlation.pointBiserial(positives, known.images(), scoreSum[label], sum, squares));
    }
  }
}
