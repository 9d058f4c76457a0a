// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.engine.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * One pre-norm transformer block: x += attention(LN₁(x)); x += MLP(LN₂(x)). Weights [out,in].
 * EVA-02's have two norms more: of the heads' mix before {@code out}, and before {@code fc2}.
 *
 * @param ln1 norm before attention
 * @param qkv query, key, value stacked: weight [3d,d]
 * @param out attention's output product [d,d]
 * @param ln2 norm before the MLP
 * @param fc1 MLP's inner product [h,d] ([2h,d] for SwiGLU), times {@link Activation#innerScale}
 * @param fc2 MLP's outer product [d,h], its weight times {@link Activation#outerScale}
 * @param scale1 LayerScale of attention [d], or null
 * @param scale2 LayerScale of the MLP [d], or null
 * @param mixNorm norm of attention's mix [d] before {@code out}, or null
 * @param innerNorm norm of the MLP's inner values [h] before {@code fc2}, or null
 */
public record Block(
    Norm ln1,
    Linear qkv,
    Linear out,
    Norm ln2,
    Linear fc1,
    Linear fc2,
    @Nullable Tensor scale1,
    @Nullable Tensor scale2,
    @Nullable Norm mixNorm,
    @Nullable Norm innerNorm) {

  /** A block without inner norms. */
  public Block(
      Norm ln1,
      Linear qkv,
      Linear out,
      Norm ln2,
      Linear fc1,
      Linear fc2,
      @Nullable Tensor scale1,
      @Nullable Tensor scale2) {
    this(ln1, qkv, out, ln2, fc1, fc2, scale1, scale2, null, null);
  }

  /** A product with weight [out,in] and bias [out] or none. */
  public record Linear(Tensor weight, @Nullable Tensor bias) {
    Tensor apply(Tensor rows) {
      return rows.linear(weight, bias);
    }

    /** The product times a factor. */
    Linear scaled(double factor) {
      return new Linear(weight.mul(factor), bias == null ? null : bias.mul(factor));
    }

    /** The same with its weight times a factor. */
    Linear weightScaled(double factor) {
      return new Linear(weight.mul(factor), bias);
    }
  }

  /** LayerNorm's weight and bias [d]. */
  public record Norm(Tensor weight, Tensor bias, double eps) {
    Tensor apply(Tensor x) {
      return x.layerNorm(weight, bias, eps);
    }

    /** Of a product's result, which may be wider than the weights, for a product. */
    Tensor between(Tensor x) {
      return apply(x.to(weight.dtype())).forProducts();
    }
  }

  /** The MLP's inner product times {@code inner}, its outer weight divided by it. */
  Block withMlpScaled(double inner) {
    return new Block(
        ln1,
        qkv,
        out,
        ln2,
        fc1.scaled(inner),
        fc2.weightScaled(1 / inner),
        scale1,
        scale2,
        mixNorm,
        innerNorm);
  }

  /**
   * The residual between attention and MLP.
   *
   * @param x residual [b,t,d]
   * @param queries number of leading tokens to compute; keys and values are of all tokens
   * @param turn rotary positions, or null
   * @return [b,queries,d]
   */
  Tensor attend(Tensor x, int heads, boolean causal, int queries, Rotary.@Nullable Turn turn) {
    long b = x.size(0);
    long t = x.size(1);
    long d = x.size(2);
    Tensor normed = ln1.apply(x).reshape(b * t, d).forProducts();
    Tensor mixed;
    if (queries == t) {
      Tensor three = qkv.apply(normed).reshape(b, t, 3, heads, d / heads).permute(2, 0, 3, 1, 4);
      Tensor query = turned(three.select(0, 0), turn);
      Tensor key = turned(three.select(0, 1), turn);
      mixed = query.attention(key, three.select(0, 2), causal);
    } else {
      mixed = attendFew(normed, b, t, heads, queries, turn);
    }
    Tensor joined = mixed.transpose(1, 2).reshape(b * queries, d);
    Tensor added = out.apply(mixNorm == null ? joined : mixNorm.between(joined));
    if (scale1 != null) added.mulInPlace(scale1);
    return added.to(x.dtype()).reshape(b, queries, d).addInPlace(x.narrow(1, 0, queries));
  }

  /**
   * Floating-point operations of its matrix products for one image or text.
   *
   * @param t tokens there are
   * @param queries leading tokens that are wanted
   */
  double flops(double t, double queries) {
    double d = out.weight().size(0);
    double few = qkv.weight().elements() / 3.0 + out.weight().elements();
    few += fc1.weight().elements() + fc2.weight().elements();
    return 2 * t * qkv.weight().elements() * 2 / 3.0 + 2 * queries * few + 4 * t * queries * d;
  }

  /** Attention of the first tokens only: queries of the rest are never formed. */
  private Tensor attendFew(
      Tensor normed, long b, long t, int heads, int queries, Rotary.@Nullable Turn turn) {
    long d = normed.size(1);
    Tensor bias = qkv.bias();
    Linear q = new Linear(qkv.weight().narrow(0, 0, d), bias == null ? null : bias.narrow(0, 0, d));
    Linear kv =
        new Linear(
            qkv.weight().narrow(0, d, 2 * d), bias == null ? null : bias.narrow(0, d, 2 * d));
    Tensor few = normed.reshape(b, t, d).narrow(1, 0, queries).reshape(b * queries, d);
    Tensor query = q.apply(few).reshape(b, queries, heads, d / heads).transpose(1, 2);
    Tensor two = kv.apply(normed).reshape(b, t, 2, heads, d / heads).permute(2, 0, 3, 1, 4);
    return turned(query, turn).attention(turned(two.select(0, 0), turn), two.select(0, 1), false);
  }

  private static Tensor turned(Tensor heads, Rotary.@Nullable Turn turn) {
    return turn == null ? heads : turn.apply(heads);
  }

  /** What the MLP adds to {@code mid} [b,t,d]. */
  Tensor mlp(Tensor mid, Activation activation) {
    long b = mid.size(0);
    long t = mid.size(1);
    long d = mid.size(2);
    Tensor rows = ln2.apply(mid).reshape(b * t, d).forProducts();
    Tensor inner = activation.apply(fc1.apply(rows));
    Tensor added = fc2.apply(innerNorm == null ? inner : innerNorm.between(inner));
    if (scale2 != null) added.mulInPlace(scale2);
    return added.to(mid.dtype()).reshape(b, t, d);
  }
}
