// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.Progress;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.ReadOut;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.engine.steer.LastLayer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * How long the last layer's steerability of all features takes on made-up weights of a model's
 * shape, and how long the plain way would: edit, norm, project, softmax, in batches of tensors.
 */
public final class SteerabilityBench {
  private static final double STRENGTH = 150;
  private static final double SCALE = 100;
  private static final double EPS = 1e-5;
  private static final int K = 32;

  /** Features that the plain way is timed on, after a few that are not timed. */
  private static final int TIMED = 24;

  private static final int WARM = 3;

  /**
   * Sizes.
   *
   * @param tokens of an image, which the plain way edits all
   */
  public record Shape(int features, int images, int words, int width, int embedding, int tokens) {}

  /**
   * What was measured.
   *
   * @param seconds for all features, activations and statistics included
   * @param cpuSeconds processor time of the same, all threads
   * @param plainSeconds the plain way on the class token alone, from {@code sampled} features
   * @param plainAllTokens the plain way editing all tokens, likewise
   * @param plainCpuSeconds processor time of {@code plainSeconds}
   * @param sampled features that the plain way was timed on
   * @param maxDifference largest difference of a probability between the two, on the sample
   * @param maxScoreDifference largest difference of S from a plain float64 computation
   * @param peakBytes largest resident memory of the process until the plain way began
   */
  public record Result(
      Shape shape,
      double seconds,
      double cpuSeconds,
      double plainSeconds,
      double plainAllTokens,
      double plainCpuSeconds,
      int sampled,
      double maxDifference,
      double maxScoreDifference,
      long peakBytes) {}

  private SteerabilityBench() {}

  /** Measures. */
  public static Result run(Shape shape, long seed, Progress progress) {
    SplittableRandom random = new SplittableRandom(seed);
    try (Scope scope = Scope.open()) {
      int d = shape.width();
      int e = shape.embedding();
      ReadOut readOut =
          new ReadOut(
              normal(random, 0.3, 1, d),
              normal(random, 0.1, 0, d),
              EPS,
              normal(random, 1 / Math.sqrt(d), 0, e, d),
              null);
      Tensor x = normal(random, 1, 0, shape.images(), d);
      TextLibrary library = library(random, shape.words(), e);
      Sae sae = sae(random, d, shape.features());
      long cpu = cpuNanos();
      long start = System.nanoTime();
      double[] s = new double[shape.features()];
      SteeredUnits units = SteeredUnits.Features.all(sae, STRENGTH);
      try (LastLayer sweep = new LastLayer(readOut, x, library, SCALE);
          var task = progress.start("steering", shape.features(), "features")) {
        var plan = new Measuring.Plan(0.1, false, seed);
        var measuring =
            new Measuring(
                sweep,
                units,
                units.shifts(sweep.residuals()),
                new boolean[] {true},
                Similarity.of(library),
                plan,
                Map.of());
        int step = 4096;
        for (int from = 0; from < shape.features(); from += step) {
          int to = Math.min(from + step, shape.features());
          for (UnitScore score : measuring.run(from, to).scores()) s[score.unit()] = score.s();
          task.advance(to - from, 2.0 * (to - from) * e * (d + shape.words()));
        }
        double seconds = (System.nanoTime() - start) * 1e-9;
        double cpuSeconds = (cpuNanos() - cpu) * 1e-9;
        long peak = peakBytes();
        Plain plain = new Plain(shape, readOut, x, library, units);
        return plain.measure(s, seconds, cpuSeconds, peak, progress);
      }
    }
  }

  /** The plain way. */
  private record Plain(
      Shape shape, ReadOut readOut, Tensor x, TextLibrary library, SteeredUnits units) {
    Result measure(double[] s, double seconds, double cpuSeconds, long peak, Progress progress) {
      Tensor texts =
          Tensor.of(library.embeddings(), shape.words(), shape.embedding()).transpose(0, 1);
      Tensor before = probabilities(embed(x), texts);
      Tensor whole =
          x.reshape(shape.images(), 1, shape.width())
              .expand(shape.images(), shape.tokens(), shape.width())
              .contiguous();
      int[] sample = new int[WARM + TIMED];
      for (int k = 0; k < sample.length; k++) {
        sample[k] = (int) ((long) k * shape.features() / sample.length);
      }
      double[] lean = new double[TIMED];
      double[] full = new double[TIMED];
      double leanCpu = 0;
      var shifts = units.shifts(x);
      try (var task = progress.start("the plain way", sample.length, "features")) {
        for (int k = 0; k < sample.length; k++) {
          try (Scope scope = Scope.open()) {
            Tensor direction = units.directions(sample[k], 1);
            float[] lengths = new float[shape.images()];
            shifts.fill(sample[k], 0, shape.images(), lengths, 0);
            Tensor along = Tensor.of(lengths, shape.images(), 1);
            long cpu = cpuNanos();
            long start = System.nanoTime();
            score(x.add(along.matmul(direction)), texts, before);
            if (k >= WARM) {
              lean[k - WARM] = (System.nanoTime() - start) * 1e-9;
              leanCpu += (cpuNanos() - cpu) * 1e-9;
            }
            start = System.nanoTime();
            Tensor edited =
                whole.add(along.matmul(direction).reshape(shape.images(), 1, shape.width()));
            score(edited.select(1, 0).contiguous(), texts, before);
            if (k >= WARM) full[k - WARM] = (System.nanoTime() - start) * 1e-9;
            task.advance(1, 0);
          }
        }
      }
      double scoreDifference = 0;
      double difference = 0;
      for (int k = 0; k < sample.length; k += 5) {
        try (Scope scope = Scope.open()) {
          float[] lengths = new float[shape.images()];
          shifts.fill(sample[k], 0, shape.images(), lengths, 0);
          difference = Math.max(difference, difference(sample[k], lengths, texts));
          double exact = exact(sample[k], lengths, texts);
          scoreDifference = Math.max(scoreDifference, Math.abs(exact - s[sample[k]]));
        }
      }
      double times = shape.features();
      return new Result(
          shape,
          seconds,
          cpuSeconds,
          median(lean) * times,
          median(full) * times,
          leanCpu / TIMED * times,
          TIMED,
          difference,
          scoreDifference,
          peak);
    }

    private Tensor embed(Tensor rows) {
      Tensor normed = rows.layerNorm(readOut.gain(), readOut.shift(), readOut.eps());
      Tensor projection = java.util.Objects.requireNonNull(readOut.projection());
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
      Tensor projection = java.util.Objects.requireNonNull(readOut.projection());
      Tensor embedding = normed.matmul(projection.to(DType.F64).transpose(0, 1)).unit();
      return embedding.matmul(words).mulInPlace(SCALE).softmax();
    }

    /** Largest difference of a probability: each image asked alone gives its Δ. */
    private double difference(int unit, float[] lengths, Tensor texts) {
      Tensor direction = units.directions(unit, 1);
      Tensor along = Tensor.of(lengths, shape.images(), 1);
      float[] plain =
          probabilities(embed(x.add(along.matmul(direction))), texts)
              .subInPlace(probabilities(embed(x), texts))
              .toFloats();
      double[] worst = new double[1];
      try (LastLayer sweep = new LastLayer(readOut, x, library, SCALE)) {
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
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }

  private static Tensor normal(
      SplittableRandom random, double deviation, double mean, int... shape) {
    long[] extents = Arrays.stream(shape).asLongStream().toArray();
    Tensor tensor = Tensor.empty(DType.F32, extents);
    var memory = tensor.segment();
    for (long i = 0; i < tensor.elements(); i++) {
      memory.setAtIndex(
          java.lang.foreign.ValueLayout.JAVA_FLOAT,
          i,
          (float) (mean + deviation * random.nextGaussian()));
    }
    return tensor;
  }

  /** Unit rows that have as much in common as words of a CLIP do: cosines about 0.7. */
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
    Tensor decoder = normal(random, 1, 0, features, d).unit();
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

  /** The kernel's own high-water mark where there is one, else what is resident now. */
  private static long peakBytes() {
    try {
      for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
        if (line.startsWith("VmHWM:")) {
          return 1024 * Long.parseLong(line.replaceAll("\\D", ""));
        }
      }
    } catch (IOException e) {
      // Not Linux: below.
    }
    return Engine.residentBytes();
  }
}
