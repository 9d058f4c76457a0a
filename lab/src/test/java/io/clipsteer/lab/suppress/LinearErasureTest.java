// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.engine.edit.Edit;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The baselines' projections against their definitions, on made-up means and covariances. */
final class LinearErasureTest {
  private static final int D = 7;
  private static final double[] DIFFERENCE = {1, -2, 0.5, 0, 3, -0.3, 0.2};
  private static final float[] CENTRE = {0.1f, 0.2f, 0, 0, -1, 2, 0.5f};

  /** Of tokens with directions of very different variance. */
  private static double[] covariance() {
    Random random = new Random(3);
    double[] sigma = new double[D * D];
    for (int token = 0; token < 400; token++) {
      double[] x = new double[D];
      for (int j = 0; j < D; j++) x[j] = random.nextGaussian() * (1 + 4 * j) + (j > 0 ? x[0] : 0);
      for (int i = 0; i < D; i++) for (int j = 0; j < D; j++) sigma[i * D + j] += x[i] * x[j] / 400;
    }
    return sigma;
  }

  private static LinearErasure erasure() {
    return new LinearErasure(DIFFERENCE, covariance(), CENTRE);
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int j = 0; j < D; j++) sum += a[j] * b[j];
    return sum;
  }

  private static double[] row(float[] rows, int k) {
    double[] row = new double[D];
    for (int j = 0; j < D; j++) row[j] = rows[k * D + j];
    return row;
  }

  private static double quadratic(double[] w, double[] sigma) {
    double sum = 0;
    for (int i = 0; i < D; i++) for (int j = 0; j < D; j++) sum += w[i] * sigma[i * D + j] * w[j];
    return sum;
  }

  @Test
  void meanDifferenceIsItsOwnUnitVector() {
    Edit.Direction one = Objects.requireNonNull(erasure().meanDifference());
    double norm = Math.sqrt(dot(DIFFERENCE, DIFFERENCE));
    for (int j = 0; j < D; j++) assertEquals(DIFFERENCE[j] / norm, one.read()[j], 1e-6);
    assertEquals(one.read(), one.written());
  }

  /** Any {@code x − δ·(x − c)·w} with {@code w·δ = 1} erases δ and moves tokens by {@code wᵀΣw}. */
  @Test
  void leastSquaresErasesTheDifferenceByTheLeastChange() {
    Edit.Direction one = Objects.requireNonNull(erasure().leastSquares());
    double[] read = row(one.read(), 0);
    assertEquals(1, dot(read, DIFFERENCE), 1e-5);
    for (int j = 0; j < D; j++) assertEquals(DIFFERENCE[j], one.written()[j], 1e-6);
    double[] sigma = covariance();
    double least = quadratic(read, sigma);
    Random random = new Random(5);
    for (int other = 0; other < 200; other++) {
      double[] w = read.clone();
      for (int j = 0; j < D; j++) w[j] += 0.02 * random.nextGaussian();
      double along = dot(w, DIFFERENCE);
      for (int j = 0; j < D; j++) w[j] /= along;
      assertTrue(quadratic(w, sigma) > least * (1 - 1e-6), "another erasure moves tokens less");
    }
  }

  /** Vectors erased by the library of LEACE's authors (bench/peers/make_leace_golden.py). */
  @Test
  void leastSquaresIsTheAuthors() throws IOException {
    List<double[]> rows = new ArrayList<>();
    try (var in = LinearErasureTest.class.getResourceAsStream("leace.csv")) {
      String text = new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8);
      text.lines()
          .skip(1)
          .map(line -> Arrays.stream(line.split(",")).mapToDouble(Double::parseDouble).toArray())
          .forEach(rows::add);
    }
    int d = 5;
    double n = rows.size();
    double[][] means = new double[2][d];
    double[] sigma = new double[d * d];
    for (double[] row : rows) {
      for (int j = 0; j < d; j++) means[(int) row[0]][j] += row[1 + j] / (n / 2);
    }
    double[] difference = new double[d];
    float[] centre = new float[d];
    for (int j = 0; j < d; j++) {
      difference[j] = means[1][j] - means[0][j];
      centre[j] = (float) ((means[0][j] + means[1][j]) / 2);
    }
    for (double[] row : rows) {
      for (int i = 0; i < d; i++) {
        for (int j = 0; j < d; j++) {
          sigma[i * d + j] += (row[1 + i] - centre[i]) * (row[1 + j] - centre[j]) / n;
        }
      }
    }
    Edit.Direction one =
        Objects.requireNonNull(new LinearErasure(difference, sigma, centre).leastSquares());
    for (double[] row : rows) {
      double active = 0;
      for (int j = 0; j < d; j++) active += (row[1 + j] - centre[j]) * one.read()[j];
      for (int j = 0; j < d; j++) {
        assertEquals(row[1 + d + j], row[1 + j] - active * one.written()[j], 2e-5);
      }
    }
  }

  /** Σ·p is the part of δ that earlier steps left, up to what they removed. */
  @Test
  void eachProbeIsFishersInWhatEarlierOnesLeave() {
    Edit.Direction all = Objects.requireNonNull(erasure().probes(4));
    assertEquals(4, all.count());
    double[] sigma = covariance();
    for (int k = 0; k < 4; k++) {
      double[] probe = row(all.read(), k);
      double[] left = DIFFERENCE.clone();
      double[] product = new double[D];
      for (int i = 0; i < D; i++) {
        for (int j = 0; j < D; j++) product[i] += sigma[i * D + j] * probe[j];
      }
      for (int e = 0; e < k; e++) {
        double[] earlier = row(all.read(), e);
        assertEquals(0, dot(earlier, probe), 1e-5);
        double alongLeft = dot(left, earlier);
        double alongProduct = dot(product, earlier);
        for (int j = 0; j < D; j++) {
          left[j] -= alongLeft * earlier[j];
          product[j] -= alongProduct * earlier[j];
        }
      }
      assertEquals(1, dot(probe, probe), 1e-5);
      double cosine = dot(left, product) / Math.sqrt(dot(left, left) * dot(product, product));
      assertEquals(1, cosine, 1e-4, "step " + k);
    }
  }

  @Test
  void equalMeansHaveNoDirectionAndProbesEndWhereNothingIsLeft() {
    LinearErasure none = new LinearErasure(new double[D], covariance(), CENTRE);
    assertNull(none.meanDifference());
    assertNull(none.leastSquares());
    assertNull(none.probes(2));
    // In white noise the first probe is the difference, after which nothing is left.
    double[] white = new double[D * D];
    for (int j = 0; j < D; j++) white[j * D + j] = 1;
    assertEquals(
        1, Objects.requireNonNull(new LinearErasure(DIFFERENCE, white, CENTRE).probes(8)).count());
  }

  /** As wide as a ViT-B: OpenBLAS's own factorisation ended the process at half of it. */
  @Test
  void aWideResidual() {
    int d = 768;
    double[] covariance = new double[d * d];
    double[] difference = new double[d];
    for (int j = 0; j < d; j++) {
      covariance[j * d + j] = 1 + j % 5;
      difference[j] = j % 7 - 3;
    }
    var erasure = new LinearErasure(difference, covariance, new float[d]);
    Edit.Direction found = Objects.requireNonNull(erasure.leastSquares());
    double along = 0;
    for (int j = 0; j < d; j++) along += found.read()[j] * difference[j];
    assertEquals(1, along, 1e-6);
    assertEquals((-2 / 2.0) / (-1 / 3.0), found.read()[1] / found.read()[2], 1e-4);
  }
}
