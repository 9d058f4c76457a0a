// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.stats.Share;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * The interval of the share of units above τ in a simulation with known truth. Each image has one
 * sure word. A unit moves the answers of image i by the part {@code a·(1 + common_i + own_i)} of
 * the way to the unit's answers, so that all units share the images' words and a part of their
 * noise.
 */
final class ShareIntervalTest {
  private static final int WORDS = 24;
  private static final int UNITS = 150;
  private static final int DRAWS = 200;

  /** A population of units: their strength a, and τ. */
  private enum Population {
    NEAR(0.05),
    WIDE(0.05),
    STRONG(0.4);

    private final double tau;

    Population(double tau) {
      this.tau = tau;
    }

    double strength(Random random) {
      return switch (this) {
        case NEAR -> Math.clamp(0.25 + 0.04 * random.nextGaussian(), 0.0, 1.0);
        case WIDE -> Math.pow(random.nextDouble(), 1.6);
        case STRONG -> Math.clamp(0.9 + 0.05 * random.nextGaussian(), 0.0, 1.0);
      };
    }
  }

  /** A unit: how far it moves the answers, and to which. */
  private record SimulatedUnit(double strength, double[] answers) {
    static SimulatedUnit of(Population population, Random random) {
      double[] answers = new double[WORDS];
      double sum = 0;
      int many = 2 + random.nextInt(10);
      for (int k = 0; k < many; k++) {
        double share = -Math.log(1 - random.nextDouble());
        answers[random.nextInt(WORDS)] += share;
        sum += share;
      }
      for (int w = 0; w < WORDS; w++) answers[w] /= sum;
      return new SimulatedUnit(population.strength(random), answers);
    }

    /** S over all images that there could be: every word is the sure one as often. */
    double truth() {
      double s = 0;
      for (double one : answers) s += Math.pow(strength * (one - 1.0 / WORDS), 2);
      return s;
    }
  }

  /** What one measurement says: the share by the unbiased form, its interval, and that by S. */
  private record Measured(SteerabilityFolder.Part part, Share share, double plain) {}

  private static Measured measure(Population population, int images, Random random) {
    int[] sure = new int[images];
    double[] common = new double[images];
    double[] confidence = new double[images];
    for (int i = 0; i < images; i++) {
      sure[i] = random.nextInt(WORDS);
      common[i] = 0.25 * random.nextGaussian();
      confidence[i] = 0.6 + 0.4 * random.nextDouble();
    }
    int groups = Tally.groups(0, images);
    int[] sizes = Tally.sizes(images, groups);
    Resamples resamples = new Resamples(1, sizes, Measuring.DRAWS);
    ResampledUnits resampled = ResampledUnits.NONE;
    List<UnitScore> scores = new ArrayList<>();
    int plain = 0;
    for (int u = 0; u < UNITS; u++) {
      SimulatedUnit unit = SimulatedUnit.of(population, random);
      double[][] sums = new double[groups][WORDS];
      double[] total = new double[WORDS];
      double squares = 0;
      int image = 0;
      for (int g = 0; g < groups; g++) {
        for (int k = 0; k < sizes[g]; k++, image++) {
          double part = unit.strength * (1 + common[image] + 0.4 * random.nextGaussian());
          for (int w = 0; w < WORDS; w++) {
            double before = (1 - confidence[image]) / WORDS;
            if (w == sure[image]) before += confidence[image];
            double change = part * (unit.answers[w] - before);
            sums[g][w] += change;
            total[w] += change;
            squares += change * change;
          }
        }
      }
      double square = Arrays.stream(total).map(t -> t * t).sum();
      double s = square / images / images;
      double unbiased = (square - squares) / ((double) images * (images - 1));
      if (s > population.tau) plain++;
      double[] deviations = resamples.deviations(gram(sums));
      resampled = resampled.plus(ResampledUnits.of(unbiased, deviations, population.tau));
      scores.add(new UnitScore(u, images, s, unbiased, 0, 0, 0, 0, null, List.of(), List.of()));
    }
    int hits = (int) scores.stream().filter(score -> score.isAbove(population.tau)).count();
    Share share = Share.of(hits, UNITS, resampled.variance(UNITS, groups), groups);
    var part = new SteerabilityFolder.Part(scores, resampled, 0, Raised.NONE, 0);
    return new Measured(part, share, (double) plain / UNITS);
  }

  private static double[] gram(double[][] rows) {
    int n = rows.length;
    double[] gram = new double[n * n];
    for (int g = 0; g < n; g++) {
      for (int h = 0; h < n; h++) {
        for (int w = 0; w < WORDS; w++) gram[g * n + h] += rows[g][w] * rows[h][w];
      }
    }
    return gram;
  }

  private static double truth(Population population) {
    Random random = new Random(99);
    int above = 0;
    int many = 100_000;
    for (int u = 0; u < many; u++) {
      if (SimulatedUnit.of(population, random).truth() > population.tau) above++;
    }
    return (double) above / many;
  }

  @Test
  void theIntervalHoldsTheTruthAsOftenAsItSays() {
    int inside = 0;
    int all = 0;
    for (Population population : Population.values()) {
      double truth = truth(population);
      Random random = new Random(17);
      for (int images : new int[] {16, 32, 64}) {
        int hits = 0;
        for (int draw = 0; draw < DRAWS; draw++) {
          Share share = measure(population, images, random).share;
          if (share.low() <= truth && truth <= share.high()) hits++;
        }
        double coverage = (double) hits / DRAWS;
        assertTrue(coverage > 0.91, population + ", " + images + " images: " + coverage);
        inside += hits;
        all += DRAWS;
      }
    }
    double coverage = (double) inside / all;
    assertTrue(coverage >= 0.93 && coverage <= 0.97, "coverage " + coverage);
  }

  /** With few images, S is above τ because of the differences between images. */
  @Test
  void fewImagesDoNotRaiseTheShare() {
    double truth = truth(Population.NEAR);
    double plain = 0;
    double unbiased = 0;
    Random random = new Random(5);
    for (int draw = 0; draw < 60; draw++) {
      Measured one = measure(Population.NEAR, 8, random);
      plain += one.plain / 60;
      unbiased += one.share.value() / 60;
    }
    assertTrue(plain > truth + 0.05, plain + " by S for " + truth);
    assertEquals(truth, unbiased, 0.03);
  }

  /** The forecast from 64 units is the width that 150 have, and its images give ten points. */
  @Test
  void theForecastIsTheWidth() {
    Random random = new Random(8);
    double forecast = 0;
    double width = 0;
    int enough = 0;
    int counted = 0;
    int draws = 40;
    for (int draw = 0; draw < draws; draw++) {
      Measured one = measure(Population.STRONG, 32, random);
      Forecast of = forecast(one.part, 1200, 32);
      Share whole =
          Share.of(
              (int) Math.round(one.share.value() * 1200),
              1200,
              one.part.resampled().variance(UNITS, 16),
              16);
      forecast += of.width() / draws;
      width += (whole.high() - whole.low()) / draws;
      if (of.images() != null) {
        enough += of.images();
        counted++;
      }
    }
    assertEquals(width, forecast, 1e-9);
    int images = enough / counted;
    assertTrue(images > 64, images + " images");
    double reached = 0;
    for (int draw = 0; draw < 10; draw++) {
      Measured one = measure(Population.STRONG, images, random);
      reached += forecast(one.part, 1200, images).width() / 10;
    }
    assertEquals(0.1, reached, 0.03);
    assertNotNull(forecast(measure(Population.NEAR, 32, random).part, 1200, 32).images());
    assertNull(forecast(measure(Population.STRONG, 64, random).part, 40, 64).images());
  }

  private static Forecast forecast(SteerabilityFolder.Part part, int units, int images) {
    var kind = SteeredUnits.UnitKind.FEATURES;
    return Forecast.of("x", kind, part, Population.STRONG.tau, units, images);
  }
}
