// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.lab.run.StatePort;
import io.clipsteer.lab.run.TokenLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Statistics of many units (features of an SAE, or neurons) from one pass over images. Sums are in
 * double. Memory depends on the units that were ever active, the grid and the width of the
 * embeddings; only each unit's top images are kept.
 */
final class UnitTally {
  private final TokenLayout layout;
  private final int units;
  private final int width;

  private final long[] active;
  private final long[] activeCls;
  private final long[] activePatches;
  private final long[] images;
  private final double[] sum;
  private final double[] sumCls;
  private final float[] max;
  private final double[] maxSum;
  private final double[] maxSquares;
  private final int[] @Nullable [] histogram;
  private final double[] @Nullable [] position;
  private final double[] @Nullable [] embedding;
  private final TopImages byMax;
  private final TopImages byMean;
  private final double[] embeddingSum;
  private long imageCount;

  // The current image's entries as one list per unit, the last first; from: the first of all.
  private float[] values = new float[0];
  private int from;
  private final int[] head;
  private int[] next = new int[0];
  private int[] token = new int[0];
  private int[] touched = new int[0];
  private float[] touchedMax = new float[0];
  private float[] touchedMean = new float[0];

  /**
   * No image yet.
   *
   * @param width of the embeddings
   * @param top images kept for each unit and ranking
   */
  UnitTally(TokenLayout layout, int units, int width, int top) {
    this.layout = layout;
    this.units = units;
    this.width = width;
    active = new long[units];
    activeCls = new long[units];
    activePatches = new long[units];
    images = new long[units];
    sum = new double[units];
    sumCls = new double[units];
    max = new float[units];
    maxSum = new double[units];
    maxSquares = new double[units];
    histogram = new int[units][];
    position = new double[units][];
    embedding = new double[units][];
    byMax = new TopImages(units, top, true);
    byMean = new TopImages(units, top, false);
    embeddingSum = new double[width];
    head = new int[units];
    Arrays.fill(head, -1);
  }

  /**
   * Adds an image.
   *
   * @param image its number, ascending from call to call
   * @param unit its embedding, of unit length
   * @param row its first token in {@code codes}
   * @param scores takes its active units, or null
   */
  void add(int image, double[] unit, Codes codes, int row, @Nullable ScoreFile scores) {
    imageCount++;
    for (int j = 0; j < width; j++) embeddingSum[j] += unit[j];
    values = codes.values();
    from = codes.starts()[row];
    int entries = codes.starts()[row + layout.count()] - from;
    grow(entries);
    int count = chain(codes, row);
    for (int i = 0; i < count; i++) finish(i, image, unit);
    if (scores != null && count > 0) scores.add(image, count, touched, touchedMax, touchedMean);
  }

  private void grow(int entries) {
    if (entries <= next.length) return;
    int size = Math.max(entries, Math.min(next.length * 2, Integer.MAX_VALUE - 8));
    next = new int[size];
    token = new int[size];
    int most = Math.min(size, units);
    touched = new int[most];
    touchedMax = new float[most];
    touchedMean = new float[most];
  }

  /** Counts by token, and links each unit's entries; returns the number of active units. */
  private int chain(Codes codes, int row) {
    int count = 0;
    for (int t = 0; t < layout.count(); t++) {
      int patch = layout.patch(t);
      boolean cls = layout.isCls(t);
      for (int e = codes.starts()[row + t]; e < codes.starts()[row + t + 1]; e++) {
        float value = values[e];
        if (!(value > 0)) continue;
        int unit = codes.units()[e];
        active[unit]++;
        if (cls) {
          activeCls[unit]++;
          sumCls[unit] += value;
        }
        if (patch >= 0) activePatches[unit]++;
        int[] bins = histogram[unit];
        if (bins == null) {
          bins = new int[HalfOctaves.COUNT];
          histogram[unit] = bins;
        }
        bins[HalfOctaves.of(value)]++;
        if (head[unit] < 0) touched[count++] = unit;
        next[e - from] = head[unit];
        token[e - from] = t;
        head[unit] = e - from;
      }
    }
    return count;
  }

  private void finish(int i, int image, double[] direction) {
    int unit = touched[i];
    int first = head[unit];
    head[unit] = -1;
    double[] grid = position[unit];
    if (grid == null) {
      grid = new double[layout.patches()];
      position[unit] = grid;
      embedding[unit] = new double[width];
    }
    double total = 0;
    float largest = 0;
    for (int e = first; e >= 0; e = next[e]) {
      float value = values[from + e];
      total += value;
      largest = Math.max(largest, value);
      int patch = layout.patch(token[e]);
      if (patch >= 0) grid[patch] += value;
    }
    float mean = (float) (total / layout.count());
    touchedMax[i] = largest;
    touchedMean[i] = mean;
    images[unit]++;
    sum[unit] += total;
    max[unit] = Math.max(max[unit], largest);
    maxSum[unit] += largest;
    maxSquares[unit] += (double) largest * largest;
    double[] to = embedding[unit];
    if (to != null) for (int j = 0; j < width; j++) to[j] += largest * direction[j];
    keep(unit, image, largest, mean, first);
  }

  private void keep(int unit, int image, float largest, float mean, int first) {
    boolean forMax = byMax.takes(unit, largest);
    boolean forMean = byMean.takes(unit, mean);
    if (!forMax && !forMean) return;
    TopImage kept = kept(image, largest, mean, first);
    if (forMax) byMax.insert(unit, kept);
    if (forMean) byMean.insert(unit, kept);
  }

  /** The entries come last first, so the map is filled from its end. */
  private TopImage kept(int image, float largest, float mean, int first) {
    int count = 0;
    for (int e = first; e >= 0; e = next[e]) if (layout.patch(token[e]) >= 0) count++;
    short[] patches = new short[count];
    float[] activations = new float[count];
    int best = -1;
    for (int e = first; e >= 0; e = next[e]) {
      int patch = layout.patch(token[e]);
      if (patch < 0) continue;
      count--;
      patches[count] = (short) patch;
      activations[count] = values[from + e];
      if (best < 0 || activations[count] >= activations[best]) best = count;
    }
    return new TopImage(image, largest, mean, best < 0 ? -1 : patches[best], patches, activations);
  }

  /**
   * Adds the images of the next block, whose numbers count from its beginning. Its arrays become
   * this tally's where it has none.
   */
  void add(UnitTally next) {
    int offset = Math.toIntExact(imageCount);
    for (int unit = 0; unit < units; unit++) {
      if (next.images[unit] == 0) continue;
      active[unit] += next.active[unit];
      activeCls[unit] += next.activeCls[unit];
      activePatches[unit] += next.activePatches[unit];
      images[unit] += next.images[unit];
      sum[unit] += next.sum[unit];
      sumCls[unit] += next.sumCls[unit];
      max[unit] = Math.max(max[unit], next.max[unit]);
      maxSum[unit] += next.maxSum[unit];
      maxSquares[unit] += next.maxSquares[unit];
      histogram[unit] = sum(histogram[unit], next.histogram[unit]);
      position[unit] = sum(position[unit], next.position[unit]);
      embedding[unit] = sum(embedding[unit], next.embedding[unit]);
      byMax.add(next.byMax, unit, offset);
      byMean.add(next.byMean, unit, offset);
    }
    for (int j = 0; j < width; j++) embeddingSum[j] += next.embeddingSum[j];
    imageCount += next.imageCount;
  }

  private static double @Nullable [] sum(double @Nullable [] to, double @Nullable [] more) {
    if (to == null || more == null) return more;
    for (int j = 0; j < to.length; j++) to[j] += more[j];
    return to;
  }

  private static int @Nullable [] sum(int @Nullable [] to, int @Nullable [] more) {
    if (to == null || more == null) return more;
    for (int j = 0; j < to.length; j++) to[j] += more[j];
    return to;
  }

  /** Moves the state of the active units to a stream, or from it into a tally without an image. */
  void move(StatePort port) {
    int[] alive = IntStream.range(0, units).filter(unit -> images[unit] > 0).toArray();
    int[] ids = new int[port.length(alive.length, units)];
    System.arraycopy(alive, 0, ids, 0, alive.length);
    port.ints(ids);
    for (int unit : ids) if (unit < 0 || unit >= units) throw StatePort.damaged("a unit " + unit);
    for (long[] counts : List.of(active, activeCls, activePatches, images)) {
      long[] some = IntStream.of(ids).mapToLong(unit -> counts[unit]).toArray();
      port.longs(some);
      for (int i = 0; i < ids.length; i++) counts[ids[i]] = some[i];
    }
    for (double[] sums : List.of(sum, sumCls, maxSum, maxSquares)) {
      double[] some = IntStream.of(ids).mapToDouble(unit -> sums[unit]).toArray();
      port.doubles(some);
      for (int i = 0; i < ids.length; i++) sums[ids[i]] = some[i];
    }
    for (int unit : ids) max[unit] = (float) port.number((double) max[unit]);
    port.doubles(embeddingSum);
    imageCount = port.number(imageCount);
    for (int unit : ids) move(port, unit);
  }

  private void move(StatePort port, int unit) {
    int[] bins = Objects.requireNonNullElseGet(histogram[unit], () -> new int[HalfOctaves.COUNT]);
    double[] grid =
        Objects.requireNonNullElseGet(position[unit], () -> new double[layout.patches()]);
    double[] total = Objects.requireNonNullElseGet(embedding[unit], () -> new double[width]);
    port.ints(bins);
    port.doubles(grid);
    port.doubles(total);
    histogram[unit] = bins;
    position[unit] = grid;
    embedding[unit] = total;
    byMax.move(port, unit);
    byMean.move(port, unit);
  }

  int units() {
    return units;
  }

  TokenLayout layout() {
    return layout;
  }

  long imageCount() {
    return imageCount;
  }

  private long tokens() {
    return imageCount * layout.count();
  }

  /** Images on which the unit is active. */
  long images(int unit) {
    return images[unit];
  }

  /** Share of tokens on which the unit is active. */
  double frequency(int unit) {
    return (double) active[unit] / tokens();
  }

  /** Share of class tokens; null where none are read. */
  @Nullable Double frequencyCls(int unit) {
    return layout.hasCls() ? (Double) ((double) activeCls[unit] / imageCount) : null;
  }

  /** Share of patches; null where none are read. */
  @Nullable Double frequencyPatches(int unit) {
    long patches = imageCount * layout.patches();
    return patches > 0 ? (Double) ((double) activePatches[unit] / patches) : null;
  }

  /** Class tokens' share of the sum of all activations; null where none are read or it is 0. */
  @Nullable Double clsShare(int unit) {
    return layout.hasCls() && sum[unit] > 0 ? (Double) (sumCls[unit] / sum[unit]) : null;
  }

  /** Over all tokens. */
  double mean(int unit) {
    return sum[unit] / tokens();
  }

  /** Over the tokens on which it is active; 0 when there is none. */
  double meanActive(int unit) {
    return active[unit] == 0 ? 0 : sum[unit] / active[unit];
  }

  float max(int unit) {
    return max[unit];
  }

  /** Tokens by half octave of the activation; null for a unit that is never active. */
  int @Nullable [] histogram(int unit) {
    return histogram[unit];
  }

  /** Mean activation by patch, row-major; null for a unit that is never active. */
  float @Nullable [] position(int unit) {
    double[] grid = position[unit];
    if (grid == null) return null;
    float[] mean = new float[grid.length];
    for (int p = 0; p < mean.length; p++) mean[p] = (float) (grid[p] / imageCount);
    return mean;
  }

  /** The top images by largest activation, or by mean; fewer where the unit is active on fewer. */
  TopImage[] top(int unit, boolean byMaximum) {
    return (byMaximum ? byMax : byMean).of(unit);
  }

  /**
   * {@code (‖Σ a_i e_i‖² − Σ a_i²)/((Σ a_i)² − Σ a_i²)} with a_i the largest activation of image i
   * and e_i its unit embedding: the activation-weighted mean cosine of all pairs. Null for a unit
   * active on fewer than two images.
   */
  @Nullable Double monosemanticity(int unit) {
    double[] total = embedding[unit];
    if (total == null || images[unit] < 2) return null;
    double square = 0;
    for (double t : total) square += t * t;
    double pairs = maxSum[unit] * maxSum[unit] - maxSquares[unit];
    double value = (square - maxSquares[unit]) / pairs;
    return Double.isFinite(value) ? (Double) value : null;
  }

  /** Activation-weighted mean of the embeddings; null for a unit that is never active. */
  double @Nullable [] meanEmbedding(int unit) {
    double[] total = embedding[unit];
    if (total == null || maxSum[unit] == 0) return null;
    double[] mean = new double[width];
    for (int j = 0; j < width; j++) mean[j] = total[j] / maxSum[unit];
    return mean;
  }

  /**
   * Correlation of the activation with the images' content: {@code ‖cov(a, e)‖ / σ_a} over all
   * images, with a the largest activation of an image and e its unit embedding. Its product with
   * the cosine between a text and {@code E[ae]/E[a] − E[e]} is the covariance of the standardised
   * activation with the images' similarity to that text. From 0 to 1; 0 for a unit that is never
   * active, or always equally.
   */
  double strength(int unit) {
    double[] own = meanEmbedding(unit);
    if (own == null) return 0;
    double[] all = meanEmbedding();
    double square = 0;
    for (int j = 0; j < width; j++) square += (own[j] - all[j]) * (own[j] - all[j]);
    double mean = maxSum[unit] / imageCount;
    double variance = maxSquares[unit] / imageCount - mean * mean;
    double value = Math.sqrt(square / variance) * mean;
    return Double.isFinite(value) ? Math.min(1, value) : 0;
  }

  /** Mean of all images' embeddings. */
  double[] meanEmbedding() {
    double[] mean = new double[width];
    for (int j = 0; j < width; j++) mean[j] = embeddingSum[j] / imageCount;
    return mean;
  }
}
