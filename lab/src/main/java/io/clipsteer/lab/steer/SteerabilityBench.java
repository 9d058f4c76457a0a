// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.Progress;
import io.clipsteer.data.stats.Median;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.ReadOut;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.engine.steer.LastLayer;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;

/**
 * Times the last layer's steerability of all features on random weights of a model's shape, and the
 * direct method beside it: edit, norm, project, softmax, in batches of tensors.
 */
public final class SteerabilityBench {
  private static final double STRENGTH = 150;
  private static final double SCALE = 100;
  private static final double EPS = 1e-5;
  private static final int K = 32;
  private static final int STEP = 4096;

  /** Features on which the direct method is timed, after a few that warm up. */
  private static final int TIMED = 24;

  private static final int WARM = 3;

  /**
   * Sizes.
   *
   * @param tokens of an image, all of which the direct method edits
   */
  public record BenchShape(
      int features, int images, int words, int width, int embedding, int tokens) {}

  /**
   * The measurements.
   *
   * @param seconds for all features, activations and statistics included
   * @param cpuSeconds processor time of the same, all threads
   * @param plainSeconds the direct method on the class token alone, extrapolated from {@code
   *     sampled} features
   * @param plainAllTokens the direct method editing all tokens, likewise
   * @param plainCpuSeconds processor time of {@code plainSeconds}
   * @param sampled features on which the direct method was timed
   * @param maxDifference largest difference of a probability between the two, on the sample
   * @param maxScoreDifference largest difference of S from a direct float64 computation
   * @param peakBytes largest resident memory of the process until the direct method started
   */
  public record BenchResult(
      BenchShape shape,
      double seconds,
      double cpuSeconds,
      double plainSeconds,
      double plainAllTokens,
      double plainCpuSeconds,
      int sampled,
      double maxDifference,
      double maxScoreDifference,
      long peakBytes) {}

  private final BenchShape shape;
  private final ReadOut readOut;
  private final Tensor x;
  private final TextLibrary library;
  private final SteeredUnits.FeatureUnits units;

  /** Random weights, in the current scope. */
  private SteerabilityBench(BenchShape shape, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int d = shape.width();
    int e = shape.embedding();
    this.shape = shape;
    readOut =
        new ReadOut(
            Tensor.normal(random, 0.3, d).addInPlace(1),
            Tensor.normal(random, 0.1, d),
            EPS,
            Tensor.normal(random, 1 / Math.sqrt(d), e, d),
            null);
    x = Tensor.normal(random, 1, shape.images(), d);
    library = library(random, shape.words(), e);
    units = SteeredUnits.FeatureUnits.all(sae(random, d, shape.features()), STRENGTH);
  }

  /** Measures. */
  public static BenchResult run(BenchShape shape, long seed, Progress progress) {
    try (Scope scope = Scope.open()) {
      return new SteerabilityBench(shape, seed).run(seed, progress);
    }
  }

  private BenchResult run(long seed, Progress progress) {
    long cpu = cpuNanos();
    long start = System.nanoTime();
    double[] s = scores(seed, progress);
    double seconds = (System.nanoTime() - start) * 1e-9;
    double cpuSeconds = (cpuNanos() - cpu) * 1e-9;
    long peak = Engine.peakBytes();
    int[] sample = new int[WARM + TIMED];
    for (int k = 0; k < sample.length; k++) {
      sample[k] = (int) ((long) k * shape.features() / sample.length);
    }
    SteeredUnits.Shifts shifts = units.shifts(x);
    double[] times = secondsPerFeature(sample, shifts, progress);
    double[] differences = differences(sample, shifts, s);
    double n = shape.features();
    return new BenchResult(
        shape,
        seconds,
        cpuSeconds,
        times[0] * n,
        times[1] * n,
        times[2] * n,
        TIMED,
        differences[0],
        differences[1],
        peak);
  }

  /** S of every feature by the closed form. */
  private double[] scores(long seed, Progress progress) {
    double[] s = new double[shape.features()];
    var settings =
        new SteerabilitySettings(
            List.of(SteeredUnits.UnitKind.FEATURES),
            List.of(Strength.of(STRENGTH)),
            0.1,
            "all",
            false,
            0,
            1,
            0,
            List.of(),
            seed);
    try (LastLayer sweep = new LastLayer(readOut, x, head());
        var task = progress.start("steering", shape.features(), "features")) {
      var shifts = units.shifts(sweep.residuals());
      var alike = Similarity.of(head());
      var measuring =
          new Measuring(sweep, units, shifts, new boolean[] {true}, alike, settings, Map.of());
      for (int from = 0; from < shape.features(); from += STEP) {
        int to = Math.min(from + STEP, shape.features());
        for (UnitScore score : measuring.run(from, to).scores()) s[score.unit()] = score.s();
        double flops = 2.0 * shape.embedding() * (shape.width() + shape.words());
        task.advance(to - from, flops * (to - from));
      }
    }
    return s;
  }

  // ---- the direct method ----------------------------------------------------------------------

  /** Median seconds a feature on the class token and on all, and the former's processor time. */
  private double[] secondsPerFeature(int[] sample, SteeredUnits.Shifts shifts, Progress progress) {
    Tensor texts = texts();
    Tensor before = probabilities(embed(x), texts);
    long b = shape.images();
    long d = shape.width();
    Tensor whole = x.reshape(b, 1, d).expand(b, shape.tokens(), d).contiguous();
    double[] lean = new double[TIMED];
    double[] full = new double[TIMED];
    double leanCpu = 0;
    try (var task = progress.start("timing the direct method", sample.length, "features")) {
      for (int k = 0; k < sample.length; k++) {
        try (Scope scope = Scope.open()) {
          Tensor direction = units.directions(sample[k], 1);
          Tensor along = Tensor.of(lengths(sample[k], shifts), b, 1);
          long cpu = cpuNanos();
          long start = System.nanoTime();
          score(x.add(along.matmul(direction)), texts, before);
          if (k >= WARM) {
            lean[k - WARM] = (System.nanoTime() - start) * 1e-9;
            leanCpu += (cpuNanos() - cpu) * 1e-9;
          }
          start = System.nanoTime();
          Tensor edited = whole.add(along.matmul(direction).reshape(b, 1, d));
          score(edited.select(1, 0).contiguous(), texts, before);
          if (k >= WARM) full[k - WARM] = (System.nanoTime() - start) * 1e-9;
          task.advance(1, 0);
        }
      }
    }
    return new double[] {Median.of(lean).value(), Median.of(full).value(), leanCpu / TIMED};
  }

  /** Largest differences of a probability and of S. */
  private double[] differences(int[] sample, SteeredUnits.Shifts shifts, double[] s) {
    double[] most = new double[2];
    for (int k = 0; k < sample.length; k += 5) {
      try (Scope scope = Scope.open()) {
        float[] lengths = lengths(sample[k], shifts);
        most[0] = Math.max(most[0], difference(sample[k], lengths, texts()));
        double exact = exact(sample[k], lengths, texts());
        most[1] = Math.max(most[1], Math.abs(exact - s[sample[k]]));
      }
    }
    return most;
  }

  private Tensor texts() {
    return Tensor.of(library.embeddings(), shape.words(), shape.embedding()).transpose(0, 1);
  }

  private float[] lengths(int unit, SteeredUnits.Shifts shifts) {
    float[] lengths = new float[shape.images()];
    shifts.fill(unit, 0, shape.images(), lengths, 0);
    return lengths;
  }

  private Tensor embed(Tensor rows) {
    Tensor normed = rows.layerNorm(readOut.gain(), readOut.shift(), readOut.eps());
    Tensor projection = Objects.requireNonNull(readOut.projection());
    return normed.linear(projection, null).unit();
  }

  private static Tensor probabilities(Tensor embedding, Tensor texts) {
    return embedding.matmul(texts).mulInPlace(SCALE).softmax();
  }

  private double score(Tensor rows, Tensor texts, Tensor before) {
    Tensor mean = probabilities(embed(rows), texts).subInPlace(before).mean(0, false);
    return mean.mul(mean).sum(DType.F64).item();
  }

  /** S in float64 throughout. */
  private double exact(int unit, float[] lengths, Tensor texts) {
    Tensor direction = units.directions(unit, 1).to(DType.F64);
    Tensor along = Tensor.of(lengths, shape.images(), 1).to(DType.F64);
    Tensor rows = x.to(DType.F64);
    Tensor words = texts.to(DType.F64);
    Tensor after = exactProbabilities(rows.add(along.matmul(direction)), words);
    Tensor mean = after.sub(exactProbabilities(rows, words)).mean(0, false);
    return mean.mul(mean).sum(DType.F64).item();
  }

  private Tensor exactProbabilities(Tensor rows, Tensor words) {
    Tensor centred = rows.sub(rows.mean(1, true));
    Tensor r = centred.mul(centred).mean(1, true).addInPlace(readOut.eps()).sqrt();
    Tensor normed =
        centred.div(r).mul(readOut.gain().to(DType.F64)).add(readOut.shift().to(DType.F64));
    Tensor projection = Objects.requireNonNull(readOut.projection());
    Tensor embedding = normed.matmul(projection.to(DType.F64).transpose(0, 1)).unit();
    return embedding.matmul(words).mulInPlace(SCALE).softmax();
  }

  /** Largest difference of a probability: an image in a group of its own gives its Δ. */
  private double difference(int unit, float[] lengths, Tensor texts) {
    Tensor direction = units.directions(unit, 1);
    Tensor along = Tensor.of(lengths, shape.images(), 1);
    float[] plain =
        probabilities(embed(x.add(along.matmul(direction))), texts)
            .subInPlace(probabilities(embed(x), texts))
            .toFloats();
    double[] worst = new double[1];
    try (LastLayer sweep = new LastLayer(readOut, x, head())) {
      sweep.run(
          direction,
          lengths,
          0,
          shape.images(),
          shape.images(),
          (k, change) -> {
            for (int i = 0; i < shape.images(); i++) {
              for (int w = 0; w < shape.words(); w++) {
                double one = change.sums()[i * change.stride() + w];
                worst[0] = Math.max(worst[0], Math.abs(one - plain[i * shape.words() + w]));
              }
            }
          });
    }
    return worst[0];
  }

  /** Unit rows as similar as the words of a CLIP: cosines about 0.7. */
  private AnswerHead head() {
    return AnswerHead.zeroShot(library, SCALE);
  }

  private static TextLibrary library(SplittableRandom random, int words, int e) {
    float[] rows = new float[Math.multiplyExact(words, e)];
    double[] all = new double[e];
    for (int j = 0; j < e; j++) all[j] = 1.5 * random.nextGaussian();
    for (int w = 0; w < words; w++) {
      double square = 0;
      double[] row = new double[e];
      for (int j = 0; j < e; j++) {
        row[j] = all[j] + random.nextGaussian();
        square += row[j] * row[j];
      }
      for (int j = 0; j < e; j++) rows[w * e + j] = (float) (row[j] / Math.sqrt(square));
    }
    return new TextLibrary(Collections.nCopies(words, "word"), rows, e);
  }

  private static Sae sae(SplittableRandom random, int d, int features) {
    Tensor decoder = Tensor.normal(random, 1, features, d).unit();
    return new Sae(
        new SaeActivation.TopK(K),
        new InputNormalisation.LayerNorm(),
        decoder.transpose(0, 1).contiguous(),
        Tensor.zeros(DType.F32, features),
        decoder,
        Tensor.zeros(DType.F32, d),
        true);
  }

  private static long cpuNanos() {
    return java.lang.management.ManagementFactory.getOperatingSystemMXBean()
            instanceof com.sun.management.OperatingSystemMXBean system
        ? system.getProcessCpuTime()
        : 0;
  }
}
