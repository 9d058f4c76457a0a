// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.probe;

import io.clipsteer.data.Progress;
import io.clipsteer.data.stats.RandomOrder;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.lab.probe.LabelledFeatures.LabelledRows;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Linear heads by AdamW, one for each pair of a learning rate and a weight decay, all at once on
 * the same batches; of all heads and epochs the one with the lowest loss on validation rows is
 * taken. The moments and the update are those of PyTorch's {@code AdamW} with its defaults; weights
 * begin at 0. F32.
 *
 * @param epochs at most
 * @param batch rows of an update
 * @param rates learning rates
 * @param decays weight decays
 */
record AdamWHeads(int epochs, int batch, List<Double> rates, List<Double> decays) {
  /** Settings for images' classes of arXiv 2502.06755's code. */
  static final AdamWHeads IMAGES =
      new AdamWHeads(
          20, 512, List.of(1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0), List.of(.1, .3, 1., 3., 10.));

  /** Settings for patches' classes, likewise. */
  static final AdamWHeads PATCHES =
      new AdamWHeads(
          400, 1024, List.of(3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2), List.of(1e-1, 1e-3, 1e-5));

  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.999;
  private static final double EPS = 1e-8;

  /** Epochs without a lower validation loss of any head after which all are stopped. */
  private static final int PATIENCE = 20;

  /** Rows whose validation loss is computed together. */
  private static final int PIECE = 2048;

  /**
   * The head with the lowest validation loss.
   *
   * @param weights W [k,d], row by row
   * @param bias b [k]
   * @param heads every pair of settings at its best epoch, from 1
   */
  record FittedHeads(float[] weights, float[] bias, TriedHead best, List<TriedHead> heads) {}

  /**
   * A head at its best epoch.
   *
   * @param loss mean −log of the right class's probability on validation rows; infinite if it never
   *     was finite
   */
  record TriedHead(double rate, double decay, int epoch, double loss) {}

  /**
   * Fits.
   *
   * @param own rows with labels from 0 to {@code classes} − 1
   * @param held validation rows
   * @param importance weight of each class; null for 1
   */
  FittedHeads fit(
      LabelledRows own,
      LabelledRows held,
      int classes,
      double @Nullable [] importance,
      long seed,
      Progress progress) {
    try (var task = progress.start("fitting heads", epochs, "epochs");
        Fit fit = new Fit(own, held, classes, importance)) {
      var random = new SplittableRandom(seed);
      for (int epoch = 1; epoch <= epochs && epoch - fit.improved <= PATIENCE; epoch++) {
        fit.epoch(random);
        fit.validate(epoch);
        task.advance(1, 0);
      }
      return fit.fitted();
    }
  }

  /** All heads' parameters side by side: column {@code head·k + class} of W [d,h·k]. */
  private final class Fit implements AutoCloseable {
    private final Scope scope = Scope.open();
    private final int classes;
    private final int n;
    private final int width;
    private final int heads = rates.size() * decays.size();
    private final Tensor rows;
    private final Tensor labels;
    private final Tensor importance;
    private final Tensor held;
    private final Tensor heldLabels;
    private final Moments weights;
    private final Moments bias;
    private final Tensor rate;
    private final Tensor kept;
    private final double[] lowest = new double[heads];
    private final int[] best = new int[heads];
    private float @Nullable [] bestWeights;
    private float @Nullable [] bestBias;
    private int bestHead;
    private double bestLoss = Double.POSITIVE_INFINITY;
    private int improved;
    private long step;

    Fit(LabelledRows own, LabelledRows held, int classes, double @Nullable [] each) {
      this.classes = classes;
      n = own.labels().length;
      width = own.rows().length / n;
      rows = Tensor.of(own.rows(), n, width);
      labels = Tensor.of(Arrays.stream(own.labels()).asLongStream().toArray(), n);
      float[] weight = new float[n];
      for (int i = 0; i < n; i++) weight[i] = each == null ? 1 : (float) each[own.labels()[i]];
      importance = Tensor.of(weight, n);
      int m = held.labels().length;
      this.held = Tensor.of(held.rows(), m, width);
      heldLabels = Tensor.of(Arrays.stream(held.labels()).asLongStream().toArray(), m, 1, 1);
      float[] rate = new float[heads * classes];
      float[] kept = new float[heads * classes];
      for (int i = 0; i < rate.length; i++) {
        int head = i / classes;
        rate[i] = (float) rate(head);
        kept[i] = (float) (1 - rate(head) * decay(head));
      }
      this.rate = Tensor.of(rate, 1, rate.length);
      this.kept = Tensor.of(kept, 1, kept.length);
      weights = new Moments(width, heads * classes);
      bias = new Moments(1, heads * classes);
      Arrays.fill(lowest, Double.POSITIVE_INFINITY);
    }

    private double rate(int head) {
      return rates.get(head / decays.size());
    }

    private double decay(int head) {
      return decays.get(head % decays.size());
    }

    /** A parameter of all heads, and its moments. */
    private record Moments(Tensor value, Tensor first, Tensor second) {
      Moments(int rows, int columns) {
        this(
            Tensor.zeros(DType.F32, rows, columns),
            Tensor.zeros(DType.F32, rows, columns),
            Tensor.zeros(DType.F32, rows, columns));
      }
    }

    void epoch(SplittableRandom random) {
      long[] order = Arrays.stream(RandomOrder.of(n, random)).asLongStream().toArray();
      for (int from = 0; from < n; from += batch) {
        long[] which = Arrays.copyOfRange(order, from, Math.min(n, from + batch));
        try (Scope inner = Scope.open()) {
          Tensor index = Tensor.of(which, which.length);
          update(
              rows.indexSelect(0, index),
              labels.indexSelect(0, index).reshape(which.length, 1, 1),
              importance.indexSelect(0, index).reshape(which.length, 1, 1));
        }
      }
    }

    /** Log-probabilities [b,h,k]. */
    private Tensor logs(Tensor x) {
      Tensor logits = x.matmul(weights.value).addInPlace(bias.value);
      return logits.reshape(x.size(0), heads, classes).logSoftmax(2);
    }

    private void update(Tensor x, Tensor y, Tensor v) {
      Tensor log = logs(x);
      long b = x.size(0);
      Tensor index = y.expand(b, heads, 1);
      Tensor own = log.gather(2, index);
      Tensor apart = log.exp().scatterInPlace(2, index, own.exp().addInPlace(-1)).mulInPlace(v);
      Tensor slope =
          apart.reshape(b, (long) heads * classes).mulInPlace(1 / v.sum(DType.F64).item());
      step++;
      step(weights, x.transpose(0, 1).matmul(slope));
      step(bias, slope.sum(0, true, DType.F32));
    }

    private void step(Moments of, Tensor gradient) {
      of.first.mulInPlace(BETA1).addInPlace(gradient, 1 - BETA1);
      of.second.mulInPlace(BETA2).addProductInPlace(gradient, gradient, 1 - BETA2);
      double root = Math.sqrt(1 - Math.pow(BETA2, step));
      Tensor divisor = of.second.sqrt().mulInPlace(1 / root).addInPlace(EPS);
      of.value.mulInPlace(kept);
      double factor = -1 / (1 - Math.pow(BETA1, step));
      of.value.addQuotientInPlace(of.first.mul(rate), divisor, factor);
    }

    void validate(int epoch) {
      double[] loss = new double[heads];
      long m = held.size(0);
      for (long from = 0; from < m; from += PIECE) {
        try (Scope inner = Scope.open()) {
          long count = Math.min(PIECE, m - from);
          Tensor y = heldLabels.narrow(0, from, count).expand(count, heads, 1);
          Tensor own = logs(held.narrow(0, from, count)).gather(2, y);
          double[] sums = own.reshape(count, heads).sum(0, false, DType.F64).toDoubles();
          for (int h = 0; h < heads; h++) loss[h] -= sums[h] / m;
        }
      }
      for (int h = 0; h < heads; h++) {
        if (!(loss[h] < lowest[h])) continue; // nor where the head diverged
        lowest[h] = loss[h];
        best[h] = epoch;
        improved = epoch;
        if (loss[h] >= bestLoss) continue;
        bestLoss = loss[h];
        bestHead = h;
        try (Scope inner = Scope.open()) {
          long at = (long) h * classes;
          bestWeights =
              weights.value.narrow(1, at, classes).transpose(0, 1).contiguous().toFloats();
          bestBias = bias.value.narrow(1, at, classes).contiguous().toFloats();
        }
      }
    }

    FittedHeads fitted() {
      if (bestWeights == null || bestBias == null) {
        throw new IllegalStateException("no head has a finite validation loss");
      }
      List<TriedHead> all = new ArrayList<>();
      for (int h = 0; h < heads; h++) all.add(new TriedHead(rate(h), decay(h), best[h], lowest[h]));
      return new FittedHeads(bestWeights, bestBias, all.get(bestHead), List.copyOf(all));
    }

    @Override
    public void close() {
      scope.close();
    }
  }
}
