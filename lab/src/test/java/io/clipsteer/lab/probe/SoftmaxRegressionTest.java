// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.probe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The fit against scikit-learn's, and the minimiser against known minima. */
final class SoftmaxRegressionTest {
  @Test
  void equalsScikitLearn() throws IOException {
    JsonNode golden;
    try (InputStream file = SoftmaxRegressionTest.class.getResourceAsStream("logistic.json")) {
      golden = JsonMapper.shared().readTree(file);
    }
    double[] wide = numbers(golden.get("x"));
    float[] x = new float[wide.length];
    for (int i = 0; i < x.length; i++) x[i] = (float) wide[i];
    int[] y = Arrays.stream(numbers(golden.get("y"))).mapToInt(v -> (int) v).toArray();
    double l2 = golden.get("penalty").asDouble();
    compare(SoftmaxRegression.fit(x, y, 4, null, l2, 1e-7, null), golden.get("plain"));
    double[] balanced = SoftmaxRegression.balanced(y, 4);
    compare(SoftmaxRegression.fit(x, y, 4, balanced, l2, 1e-7, null), golden.get("balanced"));
  }

  private static void compare(SoftmaxRegression fit, JsonNode golden) {
    double[] expected = numbers(golden.get("coef"));
    double size = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
    assertArrayEquals(expected, fit.weights(), 1e-5 * size);
    // The same number may be added to every b.
    double mean = Arrays.stream(fit.bias()).average().orElseThrow();
    double[] bias = Arrays.stream(fit.bias()).map(b -> b - mean).toArray();
    assertArrayEquals(numbers(golden.get("intercept")), bias, 1e-5 * size);
    assertTrue(fit.slope() <= 1e-7, fit.toString());
  }

  private static double[] numbers(JsonNode node) {
    return node.isArray()
        ? node.valueStream()
            .map(SoftmaxRegressionTest::numbers)
            .flatMapToDouble(Arrays::stream)
            .toArray()
        : new double[] {node.asDouble()};
  }

  @Test
  void findsTheBottomOfACurvedValley() {
    // Rosenbrock's function in four dimensions, lowest at (1, 1, 1, 1).
    Lbfgs.Minimum found =
        Lbfgs.minimise(
            (x, gradient) -> {
              Arrays.fill(gradient, 0);
              double sum = 0;
              for (int j = 0; j + 1 < x.length; j++) {
                double off = x[j + 1] - x[j] * x[j];
                double left = 1 - x[j];
                sum += 100 * off * off + left * left;
                gradient[j] += -400 * x[j] * off - 2 * left;
                gradient[j + 1] += 200 * off;
              }
              return sum;
            },
            new double[] {-1.2, 1, -1.2, 1},
            1e-9,
            500);
    assertArrayEquals(new double[] {1, 1, 1, 1}, found.x(), 1e-8);
    assertTrue(found.iterations() < 100, found.iterations() + " iterations");
  }

  @Test
  void manyRowsAreTakenInPieces() {
    // Three pieces; the gradient at the end is that of a plain loop.
    int n = 5000;
    int d = 3;
    var random = new SplittableRandom(4);
    float[] x = new float[n * d];
    int[] y = new int[n];
    for (int i = 0; i < n; i++) {
      y[i] = random.nextInt(3);
      for (int j = 0; j < d; j++)
        x[i * d + j] = (float) (random.nextGaussian() + (j == y[i] ? 1 : 0));
    }
    double l2 = 2;
    SoftmaxRegression fit = SoftmaxRegression.fit(x, y, 3, null, l2, 1e-7, null);
    double[] gradient = new double[3 * d];
    for (int j = 0; j < gradient.length; j++) gradient[j] = l2 * fit.weights()[j];
    for (int i = 0; i < n; i++) {
      double[] p = new double[3];
      for (int c = 0; c < 3; c++) {
        p[c] = fit.bias()[c];
        for (int j = 0; j < d; j++) p[c] += fit.weights()[c * d + j] * x[i * d + j];
        p[c] = Math.exp(p[c]);
      }
      double sum = p[0] + p[1] + p[2];
      for (int c = 0; c < 3; c++) {
        for (int j = 0; j < d; j++) {
          gradient[c * d + j] += (p[c] / sum - (c == y[i] ? 1 : 0)) * x[i * d + j];
        }
      }
    }
    for (double g : gradient) assertEquals(0, g / n, 2e-7);
  }
}
