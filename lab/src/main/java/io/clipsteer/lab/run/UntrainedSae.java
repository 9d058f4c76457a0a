// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import java.util.SplittableRandom;

/** SAEs with random weights: the control of whether training matters. */
public final class UntrainedSae {
  private UntrainedSae() {}

  /**
   * An SAE of the same size with random weights; the caller closes it.
   *
   * @param k features that are active on a token
   */
  public static Sae like(Sae trained, int k, long seed) {
    int d = trained.width();
    int f = trained.features();
    try (Scope scope = Scope.open()) {
      Tensor decoder = Tensor.normal(new SplittableRandom(seed), 1, f, d).unit();
      return new Sae(
          new SaeActivation.TopK(k),
          trained.normalisation(),
          scope.release(decoder.transpose(0, 1).contiguous().copy()),
          scope.release(Tensor.zeros(DType.F32, f)),
          scope.release(decoder.copy()),
          scope.release(Tensor.zeros(DType.F32, d)),
          false);
    }
  }
}
