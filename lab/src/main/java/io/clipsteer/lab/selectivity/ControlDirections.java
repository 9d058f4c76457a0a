// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.data.stats.RandomOrder;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.lab.run.UntrainedSae;
import io.clipsteer.lab.selectivity.ClassEffect.ControlKind;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Unit directions of the controls.
 *
 * @param read the training images as the SAE reads them
 * @param untrained as an SAE with random weights reads them
 * @param sums of the training tokens of each class [k][d]
 * @param counts of these tokens
 * @param draws random controls of each kind
 */
record ControlDirections(
    SaeReading read, SaeReading untrained, double[][] sums, long[] counts, int draws, long seed) {

  /** Sums the training tokens of the classes. */
  static ControlDirections of(
      SaeReading read, SaeReading untrained, KeptImages training, int draws, long seed) {
    int d = training.width();
    int classes = Arrays.stream(read.labels()).max().orElse(-1) + 1;
    double[][] sums = new double[classes][d];
    long[] counts = new long[classes];
    MemorySegment rows = training.tokens().segment();
    for (int t = 0; t < training.images() * training.each(); t++) {
      int item = read.items().of(t);
      int label = item < 0 ? -1 : read.labels()[item];
      if (label < 0) continue;
      counts[label]++;
      double[] sum = sums[label];
      for (int j = 0; j < d; j++) {
        sum[j] += rows.getAtIndex(ValueLayout.JAVA_FLOAT, (long) t * d + j);
      }
    }
    return new ControlDirections(read, untrained, sums, counts, draws, seed);
  }

  /**
   * Of a class, by kind.
   *
   * @param features that are edited
   * @param other the feature of the untrained SAE
   */
  Map<ControlKind, List<float[]>> of(int label, List<Integer> features, int other) {
    var random = new SplittableRandom(seed * 31 + label);
    int d = read.sae().width();
    int n = draws;
    Map<ControlKind, List<float[]>> controls = new EnumMap<>(ControlKind.class);
    for (ControlKind kind : ControlKind.values()) {
      List<float[]> mine = new ArrayList<>();
      switch (kind) {
        case RANDOM_DIRECTIONS -> {
          for (int k = 0; k < n; k++) {
            float[] direction = new float[d];
            for (int j = 0; j < d; j++) direction[j] = (float) random.nextGaussian();
            mine.add(Move.unit(direction));
          }
        }
        case RANDOM_FEATURES -> {
          for (int f : alike(features, read.codes(), n, random)) {
            mine.add(Move.unit(Move.row(read.sae(), f)));
          }
        }
        case NEURONS -> {
          for (int j : some(IntStream.range(0, d).toArray(), n, random)) {
            float[] direction = new float[d];
            direction[j] = 1;
            mine.add(direction);
          }
        }
        case CLASS_MEAN -> mine.add(classMean(label));
        case UNTRAINED -> mine.add(Move.unit(Move.row(untrained.sae(), other)));
      }
      controls.put(kind, mine);
    }
    return controls;
  }

  /** Random features among those whose number of tokens is nearest to a feature's. */
  private static int[] alike(
      List<Integer> features, ItemCodes codes, int n, SplittableRandom random) {
    double own = Math.log(Math.max(1, codes.count(features.getFirst())));
    int[] nearest =
        IntStream.range(0, codes.features())
            .boxed()
            .filter(f -> !features.contains(f) && codes.count(f) > 0)
            .sorted(Comparator.comparingDouble(f -> Math.abs(Math.log(codes.count(f)) - own)))
            .limit(4L * n)
            .mapToInt(Integer::intValue)
            .toArray();
    return some(nearest, n, random);
  }

  /** Some of the numbers, in random order, at most n. */
  static int[] some(int[] from, int n, SplittableRandom random) {
    RandomOrder.shuffle(from, random);
    return Arrays.copyOf(from, Math.min(n, from.length));
  }

  /** From the mean token of the others to the class's: an edit goes against it. */
  private float[] classMean(int label) {
    int d = read.sae().width();
    float[] direction = new float[d];
    long own = Math.max(1, counts[label]);
    long others = Math.max(1, Arrays.stream(counts).sum() - counts[label]);
    for (int j = 0; j < d; j++) {
      double rest = 0;
      for (int c = 0; c < sums.length; c++) if (c != label) rest += sums[c][j];
      direction[j] = (float) (sums[label][j] / own - rest / others);
    }
    return Move.unit(direction);
  }

  /** An SAE of the same size with random weights. */
  static Sae untrained(Sae like, long seed) {
    int k = like.activation() instanceof SaeActivation.TopK top ? top.k() : 32;
    return UntrainedSae.like(like, Math.min(k, like.features()), seed);
  }
}
