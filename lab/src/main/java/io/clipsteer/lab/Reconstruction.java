// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.Sae;
import java.util.BitSet;

/**
 * How well an SAE gives back activations.
 *
 * @param tokens how many were measured
 * @param explainedVariance {@code 1 − Σ‖x−x̂‖²/Σ‖x−x̄‖²}, x̄ the tokens' mean, sums in float64
 * @param l0 mean number of active features a token
 * @param aliveFraction share of features active on at least one token
 */
public record Reconstruction(
    long tokens, double explainedVariance, double l0, double aliveFraction) {
  private static final int ROWS = 4096;

  static Reconstruction measure(Sae sae, ActivationBuffer rows) {
    double error = 0;
    double squares = 0;
    long active = 0;
    double[] sums = new double[sae.width()];
    BitSet alive = new BitSet(sae.features());
    for (long from = 0; from < rows.size(); from += ROWS) {
      try (Scope scope = Scope.open()) {
        Tensor x = rows.view(from, Math.min(ROWS, rows.size() - from));
        Sae.Encoded encoded = sae.encode(x);
        Tensor gap = sae.decode(encoded).subInPlace(x);
        error += gap.mul(gap).sum(DType.F64).item();
        squares += x.mul(x).sum(DType.F64).item();
        float[] columns = x.sum(0, false, DType.F64).toFloats();
        for (int j = 0; j < sums.length; j++) sums[j] += columns[j];
        float[] values = encoded.code().values().toFloats();
        long[] indices = encoded.code().indices().to(DType.I64).toLongs();
        for (int i = 0; i < values.length; i++) {
          if (values[i] <= 0) continue;
          active++;
          alive.set((int) indices[i]);
        }
      }
    }
    long n = rows.size();
    double meanSquare = 0;
    for (double sum : sums) meanSquare += sum / n * sum / n;
    return new Reconstruction(
        n,
        1 - error / (squares - n * meanSquare),
        (double) active / n,
        (double) alive.cardinality() / sae.features());
  }
}
