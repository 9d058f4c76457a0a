// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.probe;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.clipsteer.data.image.LabelMap;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * How well a head answers; docs/metrics.md defines every number.
 *
 * @param images with an answer
 * @param accuracy of images; null for segmentation
 * @param top5 share with the right class among the first five; null for five classes or fewer
 * @param balanced mean accuracy of the classes that have images
 * @param miou mean intersection over union of the classes that have pixels; null for classification
 * @param pixelAccuracy of pixels with a class
 * @param classes by number
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record HeadScore(
    int images,
    @Nullable ImageInterval accuracy,
    @Nullable ImageInterval top5,
    @Nullable ImageInterval balanced,
    @Nullable ImageInterval miou,
    @Nullable ImageInterval pixelAccuracy,
    List<ClassScore> classes) {
  /**
   * One class.
   *
   * @param n images, or pixels, of it
   * @param value accuracy, or intersection over union; null without any
   */
  public record ClassScore(String name, long n, @Nullable Double value) {}

  /** Scores of a head. */
  public static HeadScore of(Probe probe, LabelledFeatures data, long seed) {
    return data.masks().isEmpty() ? whole(probe, data, seed) : pixels(probe, data, seed);
  }

  private static HeadScore whole(Probe probe, LabelledFeatures data, long seed) {
    int k = probe.classes().size();
    float[] logits = probe.logits(data.features().rows());
    int n = data.images();
    int[] ranks =
        IntStream.range(0, n).map(i -> rank(logits, i * k, k, data.labels()[i])).toArray();
    int[] labels = data.labels();
    long[] images = new long[k];
    long[] right = new long[k];
    for (int i = 0; i < n; i++) {
      images[labels[i]]++;
      if (ranks[i] == 0) right[labels[i]]++;
    }
    List<ClassScore> classes = new ArrayList<>();
    for (int c = 0; c < k; c++) {
      Double value = images[c] == 0 ? null : Double.valueOf((double) right[c] / images[c]);
      classes.add(new ClassScore(probe.classes().get(c), images[c], value));
    }
    return new HeadScore(
        n,
        ImageInterval.of(n, seed, times -> share(times, ranks, 1)),
        k > 5 ? ImageInterval.of(n, seed, times -> share(times, ranks, 5)) : null,
        ImageInterval.of(n, seed, times -> balanced(times, ranks, labels, k)),
        null,
        null,
        classes);
  }

  /** How many logits are above the right one; of equal ones the lower number comes first. */
  private static int rank(float[] logits, int at, int k, int right) {
    int above = 0;
    for (int c = 0; c < k; c++) {
      float other = logits[at + c];
      if (other > logits[at + right] || other == logits[at + right] && c < right) above++;
    }
    return above;
  }

  private static double share(int[] times, int[] ranks, int first) {
    long hits = 0;
    long all = 0;
    for (int i = 0; i < times.length; i++) {
      all += times[i];
      if (ranks[i] < first) hits += times[i];
    }
    return (double) hits / all;
  }

  private static double balanced(int[] times, int[] ranks, int[] labels, int k) {
    long[] hits = new long[k];
    long[] all = new long[k];
    for (int i = 0; i < times.length; i++) {
      all[labels[i]] += times[i];
      if (ranks[i] == 0) hits[labels[i]] += times[i];
    }
    return IntStream.range(0, k)
        .filter(c -> all[c] > 0)
        .mapToDouble(c -> (double) hits[c] / all[c])
        .average()
        .orElse(Double.NaN);
  }

  // ---- pixels ----------------------------------------------------------------------------------

  /**
   * Pixels of an image by class.
   *
   * @param right answered and true
   * @param truth of the class
   * @param answered with the class, of pixels that have one
   */
  private record Counts(long[] right, long[] truth, long[] answered) {
    private static Counts none(int k) {
      return new Counts(new long[k], new long[k], new long[k]);
    }

    private void add(Counts other, int times) {
      for (int c = 0; c < right.length; c++) {
        right[c] += times * other.right[c];
        truth[c] += times * other.truth[c];
        answered[c] += times * other.answered[c];
      }
    }

    private double iou(int c) {
      return (double) right[c] / (truth[c] + answered[c] - right[c]);
    }
  }

  private static HeadScore pixels(Probe probe, LabelledFeatures data, long seed) {
    int k = probe.classes().size();
    float[] logits = probe.logits(data.features().rows());
    int patches = data.features().each();
    List<Counts> images =
        IntStream.range(0, data.images())
            .parallel()
            .mapToObj(
                i -> {
                  float[] own = Arrays.copyOfRange(logits, i * patches * k, (i + 1) * patches * k);
                  LabelMap mask = data.masks().get(i);
                  LabelMap answers =
                      Upsampling.answers(own, data.grid(), k, mask.width(), mask.height());
                  return counts(mask, answers, k);
                })
            .toList();
    Counts all = sum(images, null, k);
    List<ClassScore> classes = new ArrayList<>();
    for (int c = 0; c < k; c++) {
      Double value = all.truth[c] == 0 ? null : Double.valueOf(all.iou(c));
      classes.add(new ClassScore(probe.classes().get(c), all.truth[c], value));
    }
    return new HeadScore(
        images.size(),
        null,
        null,
        null,
        ImageInterval.of(images.size(), seed, times -> miou(sum(images, times, k))),
        ImageInterval.of(images.size(), seed, times -> accuracy(sum(images, times, k))),
        classes);
  }

  private static Counts counts(LabelMap mask, LabelMap answers, int k) {
    Counts counts = Counts.none(k);
    for (int i = 0; i < mask.labels().length; i++) {
      int truth = mask.labels()[i] & 255;
      if (truth >= k) continue; // no class
      int answer = answers.labels()[i] & 255;
      counts.truth[truth]++;
      counts.answered[answer]++;
      if (truth == answer) counts.right[truth]++;
    }
    return counts;
  }

  private static Counts sum(List<Counts> images, int @Nullable [] times, int k) {
    Counts sum = Counts.none(k);
    for (int i = 0; i < images.size(); i++) sum.add(images.get(i), times == null ? 1 : times[i]);
    return sum;
  }

  private static double miou(Counts counts) {
    return IntStream.range(0, counts.truth.length)
        .filter(c -> counts.truth[c] > 0)
        .mapToDouble(counts::iou)
        .average()
        .orElse(Double.NaN);
  }

  private static double accuracy(Counts counts) {
    return (double) Arrays.stream(counts.right).sum() / Arrays.stream(counts.truth).sum();
  }
}
