// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Activation;
import io.clipsteer.engine.model.AttentionPool;
import io.clipsteer.engine.model.Block.Linear;

/** Attention pooling by the names of transformers and of timm. */
final class PoolReader {
  private PoolReader() {}

  /**
   * The head of SigLIP in transformers, a {@code torch.nn.MultiheadAttention}.
   *
   * @param p prefix with its dot
   */
  static AttentionPool huggingFace(WeightSource weights, String p, PoolShape shape) {
    long d = shape.width;
    return shape.pool(
        weights,
        p,
        weights.ready(
            () ->
                product(
                    weights.take(p + "attention.in_proj_weight", 3 * d, d).narrow(0, 0, d),
                    weights.take(p + "probe", 1, 1, d),
                    weights.take(p + "attention.in_proj_bias", 3 * d).narrow(0, 0, d))),
        new Linear(
            weights.ready(
                () -> weights.take(p + "attention.in_proj_weight", 3 * d, d).narrow(0, d, 2 * d)),
            weights.ready(
                () -> weights.take(p + "attention.in_proj_bias", 3 * d).narrow(0, d, 2 * d))),
        "attention.out_proj",
        "layernorm");
  }

  /**
   * timm's {@code AttentionPoolLatent}.
   *
   * @param p prefix with its dot
   */
  static AttentionPool timm(WeightSource weights, String p, PoolShape shape) {
    long d = shape.width;
    return shape.pool(
        weights,
        p,
        weights.ready(
            () ->
                product(
                    weights.take(p + "q.weight", d, d),
                    weights.take(p + "latent", 1, 1, d),
                    weights.take(p + "q.bias", d))),
        weights.biased(p + "kv", 2 * d, d, 1, 1),
        "proj",
        "norm");
  }

  /** {@code W·x + bias} as [d]. */
  private static Tensor product(Tensor weight, Tensor x, Tensor bias) {
    long d = bias.size(0);
    return x.reshape(1, d).linear(weight, bias).reshape(d);
  }

  /**
   * Shape of the pooling.
   *
   * @param hidden width inside its MLP
   */
  record PoolShape(int width, int heads, int hidden, Activation activation, double eps) {
    private AttentionPool pool(
        WeightSource weights, String p, Tensor query, Linear kv, String out, String norm) {
      return new AttentionPool(
          query,
          kv,
          weights.biased(p + out, width, width, 1, 1),
          weights.norm(p + norm, width, eps),
          weights.biased(
              p + "mlp.fc1", hidden, width, activation.innerScale(), activation.innerScale()),
          weights.biased(p + "mlp.fc2", width, hidden, activation.outerScale(), 1),
          heads,
          activation);
    }
  }
}
