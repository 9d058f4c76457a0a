// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.engine.sae.SparseCode;
import java.lang.foreign.ValueLayout;
import org.apiguardian.api.API;

/**
 * Activations by token: row i has the entries from {@code starts[i]} to {@code starts[i + 1]}.
 * Entries that are not above 0 do not count.
 *
 * @param starts one more than the rows
 * @param units unit numbers
 * @param values activations
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Codes(int[] starts, int[] units, float[] values) {
  /** Copies a code. */
  public static Codes of(SparseCode code) {
    int[] units = code.indices().segment().toArray(ValueLayout.JAVA_INT);
    return new Codes(code.starts(), units, code.values().toFloats());
  }

  /**
   * Coordinates as units, both signs: unit j is {@code max(0, x_j)}, unit d + j is {@code max(0,
   * −x_j)}.
   *
   * @param x row-major [n,d]
   */
  static Codes ofNeurons(float[] x, int d) {
    int n = x.length / d;
    int[] starts = new int[n + 1];
    int[] units = new int[x.length];
    float[] values = new float[x.length];
    for (int i = 0; i < n; i++) {
      starts[i + 1] = (i + 1) * d;
      for (int j = 0; j < d; j++) {
        float v = x[i * d + j];
        units[i * d + j] = v < 0 ? d + j : j;
        values[i * d + j] = Math.abs(v);
      }
    }
    return new Codes(starts, units, values);
  }
}
