// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.edit;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.ResidualEdit;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.Sae;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * Changes features of an SAE and adds the SAE's error back: {@code x' = x + Σ_j (f'_j − f_j(x)) · σ
 * · d_j} on the selected tokens, which is decode(f') + (x − decode(f)) written without decoding.
 * The SAE runs on the CPU, wherever the tower does.
 *
 * @param sae whose features
 * @param features feature numbers, all changed alike; one named twice counts once
 * @param change what becomes of an activation
 * @param tokens which tokens are edited; the others pass unchanged
 * @param prefixTokens the tower's tokens before the patches
 */
public record FeatureEdit(
    Sae sae, List<Integer> features, Change change, TokenSelection tokens, int prefixTokens)
    implements ResidualEdit {

  /** What becomes of a feature's activation, in units of the normalised input. */
  public sealed interface Change {}

  /** The activation becomes {@code value}, whatever it was. */
  public record Set(double value) implements Change {}

  /** The activation is multiplied by {@code factor}. */
  public record Scale(double factor) implements Change {}

  /** The activation becomes 0. */
  public record Ablate() implements Change {}

  public FeatureEdit {
    features = features.stream().distinct().toList();
    for (int feature : features) {
      if (feature < 0 || feature >= sae.features()) {
        throw new InputException(
            "feature " + feature,
            "the SAE has features 0 to " + (sae.features() - 1),
            "Name one of them");
      }
    }
  }

  @Override
  public Tensor edit(HookPoint point, Tensor residual) {
    long b = residual.size(0);
    int t = (int) residual.size(1);
    long d = residual.size(2);
    int first = tokens.first(prefixTokens);
    int count = tokens.count(prefixTokens, t);
    try (Scope scope = Scope.open()) {
      Tensor rows =
          residual
              .narrow(1, first, count)
              .to(Device.CPU)
              .to(DType.F32)
              .reshape(b * count, d)
              .contiguous();
      Tensor added = delta(rows).reshape(b, count, d).to(residual.dtype()).to(residual.device());
      Tensor edited = residual.copy();
      edited.narrow(1, first, count).addInPlace(added);
      return scope.keep(edited);
    }
  }

  /** What the edit adds to rows F32 [n,d]. */
  private Tensor delta(Tensor rows) {
    return added(
        sae,
        sae.encode(rows),
        features.stream().mapToInt(Integer::intValue).toArray(),
        active ->
            switch (change) {
              case Set set -> active.mul(0).addInPlace(set.value());
              case Scale scale -> active.mul(scale.factor());
              case Ablate ablate -> active.mul(0);
            });
  }

  /**
   * What a change of features adds to tokens, F32 [n,d] in the current scope: {@code Σ_j (f'_j −
   * f_j) · σ · d_j}.
   *
   * @param encoded the tokens
   * @param features feature numbers, each once
   * @param change from activations F32 [n,features] to what becomes of them
   */
  public static Tensor added(
      Sae sae, Sae.Encoded encoded, int[] features, UnaryOperator<Tensor> change) {
    try (Scope scope = Scope.open()) {
      Tensor active = encoded.code().columns(features);
      Tensor moved = change.apply(active).sub(active);
      long[] numbers = Arrays.stream(features).asLongStream().toArray();
      Tensor directions = sae.decoder().indexSelect(0, Tensor.of(numbers, numbers.length));
      return scope.keep(moved.matmul(directions).mulInPlace(encoded.input().scale()));
    }
  }
}
