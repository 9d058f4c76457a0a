// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.engine.model.ReadOut;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.sae.Sae;
import java.util.Objects;

/** The definitions of steerability as plain loops in float64, at the last layer. */
final class SteerabilityOracle {
  /** S, its unbiased form by pairs of images, the largest mean change and its word. */
  record Values(double s, double unbiased, double power, int top) {}

  private final double[] gain;
  private final double[] shift;
  private final double eps;
  private final double[] projection;
  private final TextLibrary library;
  private final double scale;

  SteerabilityOracle(ReadOut readOut, TextLibrary library, double scale) {
    gain = doubles(readOut.gain().toFloats());
    shift = doubles(readOut.shift().toFloats());
    eps = readOut.eps();
    projection = doubles(Objects.requireNonNull(readOut.projection()).toFloats());
    this.library = library;
    this.scale = scale;
  }

  private static double[] doubles(float[] floats) {
    double[] doubles = new double[floats.length];
    for (int i = 0; i < floats.length; i++) doubles[i] = floats[i];
    return doubles;
  }

  /** Δ of each image [images][words] when a ReLU SAE's feature is set on class tokens x. */
  double[][] changes(Sae sae, int feature, double strength, float[] x) {
    int d = gain.length;
    double[] encoder = doubles(sae.encoder().toFloats());
    double[] decoder = doubles(sae.decoder().toFloats());
    double[] bias = doubles(sae.decoderBias().toFloats());
    double own = sae.encoderBias().toFloats()[feature];
    double[][] all = new double[x.length / d][];
    for (int i = 0; i < all.length; i++) {
      double[] row = new double[d];
      double mean = 0;
      for (int j = 0; j < d; j++) {
        row[j] = x[i * d + j];
        mean += row[j] / d;
      }
      double square = 0;
      for (double one : row) square += (one - mean) * (one - mean);
      double sigma = Math.sqrt(square / (d - 1)) + 1e-5;
      double f = own;
      for (int j = 0; j < d; j++) {
        f += ((row[j] - mean) / sigma - bias[j]) * encoder[j * sae.features() + feature];
      }
      f = Math.max(0, f);
      double[] edited = new double[d];
      for (int j = 0; j < d; j++) {
        edited[j] = row[j] + (strength - f) * sigma * decoder[feature * d + j];
      }
      double[] before = answers(row);
      double[] after = answers(edited);
      all[i] = new double[after.length];
      for (int w = 0; w < after.length; w++) all[i][w] = after[w] - before[w];
    }
    return all;
  }

  private double[] answers(double[] x) {
    int d = x.length;
    int e = library.width();
    double mean = 0;
    for (double one : x) mean += one / d;
    double variance = 0;
    for (double one : x) variance += (one - mean) * (one - mean) / d;
    double r = Math.sqrt(variance + eps);
    double[] embedding = new double[e];
    double square = 0;
    for (int k = 0; k < e; k++) {
      for (int j = 0; j < d; j++) {
        embedding[k] += projection[k * d + j] * ((x[j] - mean) / r * gain[j] + shift[j]);
      }
      square += embedding[k] * embedding[k];
    }
    double[] p = new double[library.words().size()];
    double sum = 0;
    for (int w = 0; w < p.length; w++) {
      double product = 0;
      for (int k = 0; k < e; k++) product += embedding[k] * library.embeddings()[w * e + k];
      p[w] = Math.exp(scale * (product / Math.sqrt(square) - 1));
      sum += p[w];
    }
    for (int w = 0; w < p.length; w++) p[w] /= sum;
    return p;
  }

  static Values values(double[][] delta) {
    int n = delta.length;
    double s = 0;
    double unbiased = 0;
    double power = Double.NEGATIVE_INFINITY;
    int top = -1;
    for (int w = 0; w < delta[0].length; w++) {
      double mean = 0;
      double pairs = 0;
      for (int i = 0; i < n; i++) {
        mean += delta[i][w] / n;
        for (int j = 0; j < n; j++) {
          if (i != j) pairs += delta[i][w] * delta[j][w] / ((double) n * (n - 1));
        }
      }
      s += mean * mean;
      unbiased += pairs;
      if (mean > power) {
        power = mean;
        top = w;
      }
    }
    return new Values(s, unbiased, power, top);
  }
}
