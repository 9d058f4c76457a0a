// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Block.Linear;
import io.clipsteer.engine.model.Block.Norm;

/**
 * Attention pooling (the MAP head of Zhai et al. 2022): one learned query attends to all tokens;
 * with y the product {@code out} of the mix, the result is {@code y + MLP(LN(y))}.
 *
 * @param query [d], its product already applied
 * @param kv key and value stacked: weight [2d,d]
 * @param out product of the mix [d,d]
 * @param norm norm before the MLP
 * @param fc1 MLP's inner product [h,d], times {@link Activation#innerScale}
 * @param fc2 MLP's outer product [d,h], its weight times {@link Activation#outerScale}
 * @param heads attention heads
 * @param activation the MLP's non-linearity, not gated
 */
public record AttentionPool(
    Tensor query,
    Linear kv,
    Linear out,
    Norm norm,
    Linear fc1,
    Linear fc2,
    int heads,
    Activation activation) {

  /**
   * The pooled vectors.
   *
   * @param x normed tokens [b,t,d]
   * @return [b,d]
   */
  Tensor apply(Tensor x) {
    long b = x.size(0);
    long t = x.size(1);
    long d = x.size(2);
    long width = d / heads;
    Tensor two =
        kv.apply(x.reshape(b * t, d).forProducts())
            .reshape(b, t, 2, heads, width)
            .permute(2, 0, 3, 1, 4);
    Tensor key = two.select(0, 0);
    Tensor q = query.to(key.dtype()).reshape(1, heads, 1, width).expand(b, heads, 1, width);
    Tensor mixed = q.attention(key, two.select(0, 1), false);
    Tensor y = out.apply(mixed.reshape(b, d));
    Tensor inner = activation.apply(fc1.apply(norm.between(y)));
    return y.add(fc2.apply(inner)).to(x.dtype());
  }

  /** The same in fp32, of differentiable operations. */
  AttentionPool wide() {
    return new AttentionPool(
        Recorded.f32(query),
        wide(kv),
        wide(out),
        new Norm(Recorded.f32(norm.weight()), Recorded.f32(norm.bias()), norm.eps()),
        wide(fc1),
        wide(fc2),
        heads,
        activation);
  }

  private static Linear wide(Linear linear) {
    Tensor bias = linear.bias();
    return new Linear(Recorded.f32(linear.weight()), bias == null ? null : Recorded.f32(bias));
  }

  /** Floating-point operations of its products for one image of {@code t} tokens. */
  double flops(double t) {
    double d = query.elements();
    double one = 2.0 * (out.weight().elements() + 2.0 * fc1.weight().elements());
    return 2 * t * kv.weight().elements() + one + 4 * t * d;
  }

  /** The MLP's inner product times {@code inner}, its outer weight divided by it. */
  AttentionPool withActivation(Activation other) {
    double inner = other.innerScale() / activation.innerScale();
    return new AttentionPool(
        query, kv, out, norm, fc1.scaled(inner), fc2.weightScaled(1 / inner), heads, other);
  }
}
