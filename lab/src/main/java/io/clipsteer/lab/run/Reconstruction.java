// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.Sae;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * How well an SAE reconstructs activations.
 *
 * @param tokens number of tokens
 * @param explainedVariance {@code 1 − Σ‖x−x̂‖²/Σ‖x−x̄‖²}, x̄ the tokens' mean, sums in float64
 * @param l0 mean number of active features per token
 * @param aliveFraction share of features active on at least one token
 * @param cosine mean cosine of x and x̂
 * @param variance explained variance in its other forms; null where they were not measured
 */
public record Reconstruction(
    long tokens,
    double explainedVariance,
    double l0,
    double aliveFraction,
    double cosine,
    @Nullable VarianceForms variance) {
  private static final int ROWS = 4096;

  /** Measures an SAE on all rows of a buffer. */
  public static Reconstruction measure(Sae sae, ActivationBuffer rows) {
    TokenStatistics statistics = new TokenStatistics(sae.width());
    forEach(rows, part -> statistics.add(part.toFloats()));
    ReconstructionMeter meter = new ReconstructionMeter(sae, statistics);
    forEach(rows, meter::add);
    return meter.result();
  }

  private static void forEach(ActivationBuffer rows, Consumer<Tensor> part) {
    for (long from = 0; from < rows.size(); from += ROWS) {
      try (Scope scope = Scope.open()) {
        part.accept(rows.view(from, Math.min(ROWS, rows.size() - from)));
      }
    }
  }
}
