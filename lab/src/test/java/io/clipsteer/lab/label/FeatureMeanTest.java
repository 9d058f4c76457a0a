// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.stats.Bootstrap;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** By hand, and in simulated studies whose true mean is known. */
final class FeatureMeanTest {
  private static final int STUDIES = 1000;

  /** Features of which people are right with a probability of Beta(right, wrong). */
  private static List<double[]> study(int features, int right, int wrong, Random random) {
    return Stream.generate(
            () -> {
              // An order statistic of uniform numbers has a beta distribution.
              double[] uniform = random.doubles(right + wrong - 1).sorted().toArray();
              double accuracy = uniform[right - 1];
              int answers = 20 + random.nextInt(11);
              return random.doubles(answers).map(u -> u < accuracy ? 1 : 0).toArray();
            })
        .limit(features)
        .toList();
  }

  private static boolean holds(FeatureMean mean, double truth) {
    Bootstrap interval = Objects.requireNonNull(mean.interval());
    assertEquals(2000, interval.samples());
    return interval.low() <= truth && truth <= interval.high();
  }

  @ParameterizedTest
  @ValueSource(ints = {10, 40})
  void intervalsHoldTheMean(int features) {
    Random random = new Random(11);
    int held = 0;
    for (int s = 0; s < STUDIES; s++) {
      if (holds(FeatureMean.of(study(features, 4, 2, random), s), 4.0 / 6)) held++;
    }
    assertEquals(0.95, (double) held / STUDIES, 0.02);
  }

  @Test
  void intervalsHoldTheDifference() {
    Random random = new Random(12);
    int held = 0;
    for (int s = 0; s < STUDIES; s++) {
      List<double[]> features = study(20, 5, 2, random);
      List<double[]> others = study(12, 3, 3, random);
      if (holds(FeatureMean.difference(features, others, s), 5.0 / 7 - 0.5)) held++;
    }
    assertEquals(0.95, (double) held / STUDIES, 0.02);
  }

  @Test
  void featuresWeighTheSame() {
    List<double[]> answers = List.of(new double[] {1, 1, 1, 0}, new double[0], new double[] {0});
    FeatureMean mean = FeatureMean.of(answers, 1);
    assertEquals(0.375, mean.value());
    assertEquals(2, mean.features());
    // Every sample's mean is 0, 0.375 or 0.75.
    assertEquals(new Bootstrap(0, 0.75, 2000, 0), mean.interval());
    assertEquals(mean, FeatureMean.of(answers, 1));
  }

  @Test
  void fewFeatures() {
    double[] one = {1, 0};
    assertEquals(new FeatureMean(null, null, 0), FeatureMean.of(List.of(), 1));
    assertEquals(new FeatureMean(0.5, null, 1), FeatureMean.of(List.of(one), 1));
    List<double[]> two = List.of(new double[] {1}, new double[] {1});
    assertEquals(new FeatureMean(0.5, null, 3), FeatureMean.difference(two, List.of(one), 1));
    assertNull(FeatureMean.difference(two, List.of(), 1).value());
    // Samples of features that do not differ say nothing.
    assertEquals(new FeatureMean(1.0, null, 2), FeatureMean.of(two, 1));
    assertEquals(new FeatureMean(0.0, null, 4), FeatureMean.difference(two, two, 1));
  }

  /** Answers within a feature depend on each other: twice as many do not narrow the interval. */
  @Test
  void moreAnswersOfTheSameFeatures() {
    List<double[]> once = study(40, 4, 2, new Random(2));
    List<double[]> twice =
        once.stream()
            .map(own -> Stream.of(own, own).flatMapToDouble(Arrays::stream).toArray())
            .toList();
    Bootstrap narrow = Objects.requireNonNull(FeatureMean.of(twice, 3).interval());
    Bootstrap wide = Objects.requireNonNull(FeatureMean.of(once, 3).interval());
    assertEquals(wide.low(), narrow.low(), 1e-12);
    assertEquals(wide.high(), narrow.high(), 1e-12);
    assertTrue(wide.low() < wide.high());
  }
}
