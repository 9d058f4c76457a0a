// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.sae.Sae;
import java.util.ArrayList;
import java.util.List;

/**
 * How an edit of features moves tokens.
 *
 * @param directions unit vectors [n,d], one for each feature
 * @param shifts how far each token moves along each
 */
record Move(float[] directions, List<float[]> shifts) {
  /**
   * Of an edit that sets features to multiples of their largest training activations.
   *
   * @param training codes of the training images
   * @param codes of the images that are edited
   */
  static Move of(
      List<Integer> features, double scale, Sae sae, ItemCodes training, ItemCodes codes) {
    int d = sae.width();
    float[] directions = new float[features.size() * d];
    List<float[]> shifts = new ArrayList<>();
    for (int k = 0; k < features.size(); k++) {
      int f = features.get(k);
      System.arraycopy(unit(row(sae, f)), 0, directions, k * d, d);
      shifts.add(shifts(codes, f, scale * training.max(f), sae));
    }
    return new Move(directions, shifts);
  }

  /** How far each token moves, negative: as an ablation goes against its direction. */
  float[] lengths() {
    int n = shifts.size();
    if (n == 1) return shifts.getFirst();
    int d = directions.length / n;
    double[] products = new double[n * n];
    for (int a = 0; a < n; a++) {
      for (int b = 0; b < n; b++) {
        for (int j = 0; j < d; j++) {
          products[a * n + b] += (double) directions[a * d + j] * directions[b * d + j];
        }
      }
    }
    float[] lengths = new float[shifts.getFirst().length];
    for (int t = 0; t < lengths.length; t++) {
      double square = 0;
      for (int a = 0; a < n; a++) {
        float s = shifts.get(a)[t];
        if (s == 0) continue;
        for (int b = 0; b < n; b++) square += s * shifts.get(b)[t] * products[a * n + b];
      }
      lengths[t] = (float) -Math.sqrt(Math.max(0, square));
    }
    return lengths;
  }

  /** A feature's decoder row [d]. */
  static float[] row(Sae sae, int feature) {
    try (Scope scope = Scope.open()) {
      return sae.decoder().narrow(0, feature, 1).contiguous().toFloats();
    }
  }

  private static double length(float[] row) {
    double square = 0;
    for (float x : row) square += (double) x * x;
    return Math.sqrt(square);
  }

  static float[] unit(float[] row) {
    double length = Math.max(length(row), Double.MIN_NORMAL);
    float[] unit = new float[row.length];
    for (int j = 0; j < row.length; j++) unit[j] = (float) (row[j] / length);
    return unit;
  }

  /** How far each token moves along the feature's unit direction. */
  private static float[] shifts(ItemCodes codes, int feature, double value, Sae sae) {
    float[] shifts = codes.shifts(feature, value);
    float length = (float) length(row(sae, feature));
    for (int t = 0; t < shifts.length; t++) shifts[t] *= length;
    return shifts;
  }
}
