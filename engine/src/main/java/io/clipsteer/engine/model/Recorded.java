// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Block.Linear;
import io.clipsteer.engine.model.Block.Norm;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A tower's parts in float32, of differentiable operations only: slower than {@link BlockStack},
 * for gradients with respect to a tower's input while its weights are fixed.
 */
final class Recorded {
  private Recorded() {}

  /**
   * A block.
   *
   * @param x residual [b·t,d], row by row
   * @param b batch
   * @param queries number of leading tokens that are wanted, at most t
   * @param turn rotary positions, or null
   * @return residual [b·queries,d]
   */
  static Tensor block(
      Block block,
      Tensor x,
      long b,
      TowerShape shape,
      boolean causal,
      long queries,
      Rotary.@Nullable Turn turn) {
    int h = shape.heads();
    long d = x.size(1);
    long t = x.size(0) / b;
    List<Tensor> three =
        linear(norm(x, block.ln1()), block.qkv())
            .reshape(b, t, 3, h, d / h)
            .permute(2, 0, 3, 1, 4)
            .unbind(0);
    Tensor query = three.getFirst().narrow(2, 0, queries);
    Tensor key = three.get(1);
    if (turn != null) {
      query = turn.apply(query);
      key = turn.apply(key);
    }
    Tensor mixed = query.attention(key, three.get(2), causal);
    Tensor joined = normed(mixed.transpose(1, 2).reshape(b * queries, d), block.mixNorm());
    Tensor added = linear(joined, block.out());
    Tensor first = x.reshape(b, t, d).narrow(1, 0, queries).reshape(b * queries, d);
    Tensor middle = first.add(block.scale1() == null ? added : added.mul(f32(block.scale1())));
    Tensor inner = shape.activation().apply(linear(norm(middle, block.ln2()), block.fc1()));
    Tensor outer = linear(normed(inner, block.innerNorm()), block.fc2());
    return middle.add(block.scale2() == null ? outer : outer.mul(f32(block.scale2())));
  }

  /** Unit embeddings [b,e] of pooled tokens [b,d]. */
  static Tensor embedding(Tensor pooled, @Nullable Linear projection) {
    Tensor out = projection == null ? pooled : linear(pooled, projection);
    return out.div(out.norm(-1));
  }

  static Tensor norm(Tensor x, Norm norm) {
    return x.layerNorm(f32(norm.weight()), f32(norm.bias()), norm.eps());
  }

  private static Tensor normed(Tensor x, @Nullable Norm norm) {
    return norm == null ? x : norm(x, norm);
  }

  static Tensor f32(Tensor weight) {
    return weight.dtype() == DType.F32 ? weight : weight.to(DType.F32);
  }

  private static Tensor linear(Tensor rows, Linear linear) {
    Tensor bias = linear.bias();
    return rows.linear(f32(linear.weight()), bias == null ? null : f32(bias));
  }
}
