// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.stream.IntStream;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The Vector API's implementation, in float32. Everything is computed in base 2, so that the
 * exponential is a polynomial and an addition to the exponent. PaddedLanes are summed one after the
 * other in float64: {@code reduceLanes} leaves the order open.
 */
final class VectorSteer implements SteerKernels {
  static final VectorSteer INSTANCE = new VectorSteer();

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();
  private static final VectorSpecies<Double> DOUBLES = DoubleVector.SPECIES_PREFERRED;
  private static final double LOG2E = 1.4426950408889634;

  /** Images of a group worked on side by side. */
  private static final int TOGETHER = 12;

  /** Words worked on at a time: what images share of them stays in the nearest cache. */
  private static final int STRIPE = 64 * LANES;

  /** Units whose sums are held at a time: a group's images are then read once for all of them. */
  private static final int UNITS = 16;

  private static final int SUMS_BYTES = 8 << 20;

  /** 1.5 · 2²³: adding it leaves the nearest whole number in a float's last bits. */
  private static final float ROUNDER = 0x1.8p23f;

  /** Below, 2^t would leave the normal floats; it counts for nothing beside the largest. */
  private static final float LOWEST = -125;

  /** How far a bound may lie above the largest logit, in base 2; see {@link #LOWEST}. */
  private static final double SLACK = 70;

  /** Words whose products are summed in float before they go into float64. */
  private static final int TILE = 32 * LANES;

  /*
   * 2^r on [-1/2, 1/2]: the polynomial of degree 5 whose largest relative error is least (Remez's
   * exchange), which is 7.5e-8; with float's rounding it is below 2.5e-7.
   */
  private static final float C0 = 1.000000071654624f;
  private static final float C1 = 0.6931469670646027f;
  private static final float C2 = 0.2402211972406074f;
  private static final float C3 = 0.0555071327388228f;
  private static final float C4 = 0.009675541327572782f;
  private static final float C5 = 0.001327647187056395f;

  private VectorSteer() {}

  @Override
  public void sweep(
      Answers answers, MemorySegment directions, double[] weights, int units, Sink sink) {
    answers.check(directions, weights, units);
    PaddedRows rows = PaddedRows.of(answers, units, LANES);
    int chunks = Math.min(units, 4 * Runtime.getRuntime().availableProcessors());
    IntStream.range(0, chunks)
        .parallel()
        .forEach(
            chunk -> {
              Work work = new Work(answers, rows, weights);
              int end = (int) ((long) units * (chunk + 1) / chunks);
              for (int u = (int) ((long) units * chunk / chunks); u < end; u += work.block) {
                work.units(u, Math.min(work.block, end - u), directions, sink);
              }
            });
  }

  private static int place(float[] values, float wanted) {
    int at = 0;
    while (at + 1 < values.length && values[at] != wanted) at++;
    return at;
  }

  /** One thread's memory: a few images' rows of words, and the sums. */
  private static final class Work {
    private final Answers answers;
    private final PaddedRows rows;
    private final double[] weights;
    private final float[] own;
    private final float[] common;
    private final float[] minusBefore;
    private final int stride;
    private final float[] exponentials;
    private final float[][] sums;
    private final float[][] directions;
    private final int[] most;
    private final int[] least;
    private final double[] squares;
    private final int block;
    private final float[] totals = new float[TOGETHER * LANES];
    private final float[] factors = new float[TOGETHER];

    /** Of each image worked on: three weights and what is subtracted, in base 2. */
    private final float[] w = new float[TOGETHER * (WEIGHTS + 1)];

    Work(Answers answers, PaddedRows rows, double[] weights) {
      this.answers = answers;
      this.rows = rows; // its arrays are fields of their own for the inner loops
      this.weights = weights;
      own = rows.own();
      common = rows.common();
      minusBefore = rows.minusBefore();
      stride = rows.stride();
      exponentials = new float[TOGETHER * stride];
      int all = Math.multiplyExact(answers.groups(), stride);
      block = Math.clamp(SUMS_BYTES / (4L * all), 1, UNITS);
      sums = new float[block][all];
      directions = new float[block][stride];
      most = new int[block];
      least = new int[block];
      squares = new double[block];
    }

    /** Units that follow each other: their sums group by group, so that its images stay near. */
    void units(int first, int count, MemorySegment from, Sink sink) {
      int words = answers.words();
      for (int b = 0; b < count; b++) {
        float[] direction = directions[b];
        MemorySegment.copy(
            from, ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * (first + b) * words, direction, 0, words);
        most[b] = place(direction, PaddedRows.extreme(direction, 0, words, 1));
        least[b] = place(direction, PaddedRows.extreme(direction, 0, words, -1));
        squares[b] = 0;
        Arrays.fill(sums[b], 0);
      }
      for (int g = 0; g < answers.groups(); g++) {
        int end = answers.start(g + 1);
        for (int i = answers.start(g); i < end; i += TOGETHER) {
          for (int b = 0; b < count; b++) {
            images(b, first + b, i, Math.min(TOGETHER, end - i), g * stride);
          }
        }
      }
      for (int b = 0; b < count; b++) sink.accept(first + b, sums[b], stride, squares[b]);
    }

    private void images(int b, int u, int i, int count, int sum) {
      for (int k = 0; k < count; k++) set(k, b, u, i + k);
      squares[b] += together(directions[b], sums[b], row(u, i), i * stride, sum, count);
    }

    /** Where a pair's row of own begins. */
    private int row(int u, int i) {
      return stride * (answers.perUnit() ? u * answers.images() + i : i);
    }

    /**
     * A pair's weights, and a bound of its logits: at least their largest, but not so far above it
     * that its exponential would vanish.
     */
    private void set(int k, int b, int u, int i) {
      float[] direction = directions[b];
      int at = (u * answers.images() + i) * WEIGHTS;
      double w0 = LOG2E * weights[at];
      double w1 = LOG2E * weights[at + 1];
      double w2 = LOG2E * weights[at + 2];
      w[4 * k] = (float) w0;
      w[4 * k + 1] = (float) w1;
      w[4 * k + 2] = (float) w2;
      int own = row(u, i);
      int peak = w2 < 0 ? least[b] : most[b];
      double there = w2 * direction[peak];
      double reached = w0 * this.own[own + peak] + w1 * common[peak] + there;
      double bound =
          w0 * rows.high()[own / stride]
              + w1 * (w1 < 0 ? rows.commonLow() : rows.commonHigh())
              + there;
      // Not "above": NaN must take the long way as well.
      w[4 * k + 3] = bound - reached <= SLACK ? (float) -bound : -largest(direction, own, k);
    }

    private float largest(float[] direction, int own, int k) {
      FloatVector max = FloatVector.broadcast(SPECIES, Float.NEGATIVE_INFINITY);
      FloatVector zero = FloatVector.zero(SPECIES);
      for (int at = 0; at < stride; at += LANES) {
        max = max.max(logit(direction, at, own, 4 * k, zero));
      }
      // The largest of floats does not depend on the order.
      return max.reduceLanes(VectorOperators.MAX);
    }

    private FloatVector logit(float[] direction, int at, int own, int k, FloatVector from) {
      FloatVector t = vector(common, at).fma(broadcast(w[k + 1]), from);
      t = vector(direction, at).fma(broadcast(w[k + 2]), t);
      return vector(this.own, own + at).fma(broadcast(w[k]), t);
    }

    /** Images whose rows follow each other: exponentials, then differences. */
    private double together(
        float[] direction, float[] sums, int own, int before, int sum, int count) {
      Arrays.fill(totals, 0);
      for (int from = 0; from < stride; from += STRIPE) {
        int end = Math.min(from + STRIPE, stride);
        int k = 0;
        for (; k + 2 <= count; k += 2) pair(direction, k, own + k * stride, from, end);
        if (k < count) exponentials(direction, k, own + k * stride, from, end);
      }
      for (int k = 0; k < count; k++) factors[k] = (float) (1 / added(totals, k * LANES));
      FloatVector squares = FloatVector.zero(SPECIES);
      for (int from = 0; from < stride; from += STRIPE) {
        int end = Math.min(from + STRIPE, stride);
        int k = 0;
        for (; k + 2 <= count; k += 2) {
          squares = squares.add(two(sums, k, before + k * stride, sum, from, end));
        }
        if (k < count) squares = squares.add(one(sums, k, before + k * stride, sum, from, end));
      }
      squares.intoArray(totals, 0);
      return added(totals, 0);
    }

    /** A stripe of the k-th row of exponentials; their sum is added to its total. */
    private void exponentials(float[] direction, int k, int own, int from, int end) {
      FloatVector w0 = broadcast(w[4 * k]);
      FloatVector w1 = broadcast(w[4 * k + 1]);
      FloatVector w2 = broadcast(w[4 * k + 2]);
      FloatVector bound = broadcast(w[4 * k + 3]);
      FloatVector total = vector(totals, k * LANES);
      int to = k * stride;
      for (int at = from; at < end; at += LANES) {
        FloatVector t = vector(common, at).fma(w1, bound);
        t = vector(direction, at).fma(w2, t);
        FloatVector e = exp2(vector(this.own, own + at).fma(w0, t));
        e.intoArray(exponentials, to + at);
        total = total.add(e);
      }
      total.intoArray(totals, k * LANES);
    }

    /** The same of rows k and k + 1: what they share of a word is read once. */
    private void pair(float[] direction, int k, int own, int from, int end) {
      FloatVector w0 = broadcast(w[4 * k]);
      FloatVector w1 = broadcast(w[4 * k + 1]);
      FloatVector w2 = broadcast(w[4 * k + 2]);
      FloatVector bound = broadcast(w[4 * k + 3]);
      FloatVector v0 = broadcast(w[4 * k + 4]);
      FloatVector v1 = broadcast(w[4 * k + 5]);
      FloatVector v2 = broadcast(w[4 * k + 6]);
      FloatVector other = broadcast(w[4 * k + 7]);
      FloatVector total = vector(totals, k * LANES);
      FloatVector second = vector(totals, (k + 1) * LANES);
      int to = k * stride;
      int next = own + stride;
      for (int at = from; at < end; at += LANES) {
        FloatVector c = vector(common, at);
        FloatVector d = vector(direction, at);
        FloatVector e = exp2(vector(this.own, own + at).fma(w0, d.fma(w2, c.fma(w1, bound))));
        FloatVector f = exp2(vector(this.own, next + at).fma(v0, d.fma(v2, c.fma(v1, other))));
        e.intoArray(exponentials, to + at);
        f.intoArray(exponentials, to + stride + at);
        total = total.add(e);
        second = second.add(f);
      }
      total.intoArray(totals, k * LANES);
      second.intoArray(totals, (k + 1) * LANES);
    }

    /** A stripe of one image's differences goes to the sums; gives their squares. */
    private FloatVector one(float[] sums, int k, int before, int sum, int from, int end) {
      FloatVector f = broadcast(factors[k]);
      FloatVector squares = FloatVector.zero(SPECIES);
      int row = k * stride;
      for (int at = from; at < end; at += LANES) {
        FloatVector d = vector(exponentials, row + at).fma(f, vector(minusBefore, before + at));
        vector(sums, sum + at).add(d).intoArray(sums, sum + at);
        squares = d.fma(d, squares);
      }
      return squares;
    }

    /** The same of two images: the sums are read and written once. */
    private FloatVector two(float[] sums, int k, int before, int sum, int from, int end) {
      FloatVector f = broadcast(factors[k]);
      FloatVector g = broadcast(factors[k + 1]);
      FloatVector even = FloatVector.zero(SPECIES);
      FloatVector odd = even;
      int row = k * stride;
      int next = row + stride;
      int after = before + stride;
      for (int at = from; at < end; at += LANES) {
        FloatVector d = vector(exponentials, row + at).fma(f, vector(minusBefore, before + at));
        FloatVector c = vector(exponentials, next + at).fma(g, vector(minusBefore, after + at));
        vector(sums, sum + at).add(d.add(c)).intoArray(sums, sum + at);
        even = d.fma(d, even);
        odd = c.fma(c, odd);
      }
      return even.add(odd);
    }

    private static double added(float[] lanes, int from) {
      double total = 0;
      for (int k = 0; k < LANES; k++) total += lanes[from + k];
      return total;
    }
  }

  private static FloatVector vector(float[] from, int at) {
    return FloatVector.fromArray(SPECIES, from, at);
  }

  private static FloatVector broadcast(float value) {
    return FloatVector.broadcast(SPECIES, value);
  }

  /** 2^t for t at most 0; relative error below 2.5e-7 above {@link #LOWEST}. */
  private static FloatVector exp2(FloatVector t) {
    FloatVector x = t.max(LOWEST);
    FloatVector shifted = x.add(ROUNDER);
    FloatVector r = x.sub(shifted.sub(ROUNDER));
    FloatVector p = r.fma(broadcast(C5), broadcast(C4));
    p = p.fma(r, broadcast(C3)).fma(r, broadcast(C2)).fma(r, broadcast(C1)).fma(r, broadcast(C0));
    var exponent = shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
    return p.reinterpretAsInts().add(exponent).reinterpretAsFloats();
  }

  /** {@link #exp2} of plain numbers, for its test. */
  static void exp2(float[] values) {
    for (int i = 0; i < values.length; i += LANES) {
      VectorMask<Float> inside = SPECIES.indexInRange(i, values.length);
      exp2(FloatVector.fromArray(SPECIES, values, i, inside)).intoArray(values, i, inside);
    }
  }

  @Override
  public double[] gram(float[] rows, int n, int width, int stride) {
    // A lane of each pair's product has its own float64 sum; the lanes are added at the end.
    int lanes = DOUBLES.length();
    double[] sums = new double[n * n * lanes];
    for (int from = 0; from < width; from += TILE) {
      int end = Math.min(from + TILE, width);
      for (int a = 0; a < n; a++) {
        for (int b = a; b < n; b++) {
          product(rows, a * stride, b * stride, from, end, sums, (a * n + b) * lanes);
        }
      }
    }
    double[] products = new double[n * n];
    for (int a = 0; a < n; a++) {
      for (int b = a; b < n; b++) {
        double total = 0;
        for (int k = 0; k < lanes; k++) total += sums[(a * n + b) * lanes + k];
        products[a * n + b] = total;
        products[b * n + a] = total;
      }
    }
    return products;
  }

  private static void product(
      float[] rows, int a, int b, int from, int end, double[] sums, int at) {
    FloatVector even = FloatVector.zero(SPECIES);
    FloatVector odd = even;
    int w = from;
    for (; w + 2 * LANES <= end; w += 2 * LANES) {
      even = vector(rows, a + w).fma(vector(rows, b + w), even);
      odd = vector(rows, a + w + LANES).fma(vector(rows, b + w + LANES), odd);
    }
    FloatVector both = even.add(odd);
    DoubleVector.fromArray(DOUBLES, sums, at)
        .add(both.convertShape(VectorOperators.F2D, DOUBLES, 0))
        .add(both.convertShape(VectorOperators.F2D, DOUBLES, 1))
        .intoArray(sums, at);
    for (; w < end; w++) sums[at] += (double) rows[a + w] * rows[b + w];
  }

  @Override
  public void total(float[] rows, int n, int width, int stride, double[] sum) {
    int w = 0;
    for (; w + LANES <= width; w += LANES) {
      DoubleVector low = DoubleVector.zero(DOUBLES);
      DoubleVector high = low;
      for (int r = 0; r < n; r++) {
        FloatVector v = vector(rows, r * stride + w);
        low = low.add(v.convertShape(VectorOperators.F2D, DOUBLES, 0));
        high = high.add(v.convertShape(VectorOperators.F2D, DOUBLES, 1));
      }
      low.intoArray(sum, w);
      high.intoArray(sum, w + DOUBLES.length());
    }
    for (; w < width; w++) {
      sum[w] = 0;
      for (int r = 0; r < n; r++) sum[w] += rows[r * stride + w];
    }
  }
}
