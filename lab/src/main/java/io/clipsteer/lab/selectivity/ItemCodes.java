// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.sae.Sae;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Which features are active on which tokens of kept images, by feature.
 *
 * @param starts where each feature's entries begin, then the number of entries
 * @param tokens of each entry, rising within a feature
 * @param values above 0
 * @param scale σ of every token: the unit of its activations
 */
record ItemCodes(int[] starts, int[] tokens, float[] values, float[] scale) {

  /** Encodes all tokens. */
  static ItemCodes of(KeptImages images, Sae sae) {
    try (Scope scope = Scope.open()) {
      Sae.Encoded encoded = sae.encode(images.tokens());
      var code = encoded.code();
      int[] numbers = code.indices().segment().toArray(ValueLayout.JAVA_INT);
      float[] active = code.values().segment().toArray(ValueLayout.JAVA_FLOAT);
      int[] starts = new int[sae.features() + 1];
      for (int e = 0; e < active.length; e++) if (active[e] > 0) starts[numbers[e] + 1]++;
      for (int f = 0; f < sae.features(); f++) starts[f + 1] += starts[f];
      int[] at = Arrays.copyOf(starts, sae.features());
      int[] tokens = new int[starts[sae.features()]];
      float[] values = new float[tokens.length];
      for (int row = 0; row < code.rows(); row++) {
        for (int e = code.starts()[row]; e < code.starts()[row + 1]; e++) {
          if (!(active[e] > 0)) continue;
          int place = at[numbers[e]]++;
          tokens[place] = row;
          values[place] = active[e];
        }
      }
      return new ItemCodes(starts, tokens, values, encoded.input().scale().toFloats());
    }
  }

  int features() {
    return starts.length - 1;
  }

  /** Tokens on which a feature is active. */
  int count(int feature) {
    return starts[feature + 1] - starts[feature];
  }

  /** A feature's largest activation; 0 where it is never active. */
  float max(int feature) {
    float max = 0;
    for (int e = starts[feature]; e < starts[feature + 1]; e++) max = Math.max(max, values[e]);
    return max;
  }

  /**
   * How far an edit that sets a feature to a value moves each token along the feature's direction:
   * {@code (value − f)·σ}.
   */
  float[] shifts(int feature, double value) {
    float[] shifts = new float[scale.length];
    for (int t = 0; t < shifts.length; t++) shifts[t] = (float) (value * scale[t]);
    for (int e = starts[feature]; e < starts[feature + 1]; e++) {
      int t = tokens[e];
      shifts[t] = (float) ((value - values[e]) * scale[t]);
    }
    return shifts;
  }
}
