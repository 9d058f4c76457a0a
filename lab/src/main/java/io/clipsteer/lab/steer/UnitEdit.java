// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.ResidualEdit;
import io.clipsteer.engine.sae.Sae;
import java.util.List;

/**
 * Changes features, neurons and random directions of one hook point at once: each by what it is
 * before the edit. {@code x' = x + Σ_j (f'_j − f_j)·σ·d_j} on the chosen tokens, so the SAE's error
 * stays; with {@code splice} the SAE's reconstruction takes the residual's place first.
 *
 * @param sae whose features, whose σ, and whose decoder rows' mean length random directions have
 * @param features numbers, each once
 * @param neurons coordinates, each once
 * @param randoms seeds of random directions, each once
 * @param push what becomes of each
 * @param raw whether the push's offset is in units of the residual, instead of σ
 * @param splice whether the SAE's error is left out
 * @param tokens which tokens
 * @param prefixTokens the tower's tokens before the patches
 */
public record UnitEdit(
    Sae sae,
    List<Integer> features,
    List<Integer> neurons,
    List<Integer> randoms,
    Push push,
    boolean raw,
    boolean splice,
    TokenMask tokens,
    int prefixTokens)
    implements ResidualEdit {
  public UnitEdit {
    features = checked(features, sae.features(), "feature", "the SAE has features");
    neurons = checked(neurons, sae.width(), "neuron", "the residual has coordinates");
    randoms = randoms.stream().distinct().toList();
  }

  private static List<Integer> checked(List<Integer> ids, int all, String what, String has) {
    for (int id : ids) {
      if (id < 0 || id >= all) {
        throw new InputException(
            "--" + what + " " + id, has + " 0 to " + (all - 1), "Name one of them");
      }
    }
    return ids.stream().distinct().toList();
  }

  /** The same with another push. */
  UnitEdit with(Push other) {
    return new UnitEdit(sae, features, neurons, randoms, other, raw, splice, tokens, prefixTokens);
  }

  @Override
  public Tensor edit(HookPoint point, Tensor residual) {
    long b = residual.size(0);
    int t = Math.toIntExact(residual.size(1));
    long d = residual.size(2);
    boolean[] mask = tokens.mask(prefixTokens, t);
    float[] chosen = new float[t];
    for (int k = 0; k < t; k++) chosen[k] = mask[k] ? 1 : 0;
    try (Scope scope = Scope.open()) {
      Tensor rows = residual.to(Device.CPU).to(DType.F32).reshape(b * t, d).contiguous();
      Tensor added = added(rows).reshape(b, t, d).mul(Tensor.of(chosen, 1, t, 1));
      Tensor edited = rows.reshape(b, t, d).add(added);
      return scope.keep(edited.to(residual.dtype()).to(residual.device()));
    }
  }

  /** What rows F32 [n,d] get. */
  private Tensor added(Tensor rows) {
    Sae.Encoded encoded = sae.encode(rows);
    Tensor scale = encoded.input().scale();
    Tensor offset = raw ? scale.mul(0).addInPlace(push.offset()) : scale.mul(push.offset());
    Tensor sum = splice ? sae.decode(encoded).sub(rows) : rows.mul(0);
    if (!features.isEmpty()) {
      int[] ids = features.stream().mapToInt(Integer::intValue).toArray();
      Tensor active = encoded.code().columns(ids).mul(scale).mulInPlace(push.factor() - 1);
      sum =
          sum.add(
              active
                  .add(offset)
                  .matmul(new SteeredUnits.Features(sae, ids, 0).directions(0, ids.length)));
    }
    if (!neurons.isEmpty()) {
      float[] coordinates = new float[sae.width()];
      for (int neuron : neurons) coordinates[neuron] = 1;
      Tensor change = rows.mul(push.factor() - 1).addInPlace(push.offset());
      sum = sum.add(change.mul(Tensor.of(coordinates, 1, sae.width())));
    }
    if (!randoms.isEmpty()) {
      double length = SteeredUnits.decoderLength(sae);
      Tensor directions = Tensor.zeros(DType.F32, 1, sae.width());
      for (int seed : randoms) {
        var one = new SteeredUnits.Random(1, sae.width(), length, sae.normalisation(), 0, seed);
        directions = directions.add(one.directions(0, 1));
      }
      sum = sum.add(offset.matmul(directions));
    }
    return sum;
  }
}
