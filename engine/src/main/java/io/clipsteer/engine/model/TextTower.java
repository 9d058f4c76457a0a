// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import org.apiguardian.api.API;

/**
 * CLIP's text transformer: token and position embeddings, pre-norm blocks (usually causal), final
 * norm, the end token's vector, projection. Its weights live until the model is closed.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class TextTower {
  private final TextConfig config;
  private final TextWeights weights;
  private final BlockStack stack;
  private final Device device;

  public TextTower(TextConfig config, TextWeights weights) {
    this.config = config;
    this.weights = weights;
    this.stack =
        new BlockStack(TowerKind.TEXT, weights.blocks(), config.blocks(), config.causal(), 0);
    this.device = weights.tokens().device();
  }

  /** The tower's shape. */
  public TextConfig config() {
    return config;
  }

  TextWeights weights() {
    return weights;
  }

  /** Element type of weights and residual stream. */
  public DType dtype() {
    return weights.tokens().dtype();
  }

  /**
   * The whole tower.
   *
   * @param ids token ids, one row per text, all rows of the same length ≤ context
   */
  public TowerOutput run(long[][] ids, Hooks hooks) {
    return finish(stack.run(embed(ids), Integer.MAX_VALUE, hooks), ids);
  }

  /** The tower up to {@code stop}, applying hooks up to and including those at {@code stop}. */
  public Paused runUntil(long[][] ids, HookPoint stop, Hooks hooks) {
    return stack.runUntil(embed(ids), stop, hooks);
  }

  /**
   * Continues from a pause to the end; hooks at the pause are not applied again.
   *
   * @param ids the same ids, which determine the end tokens
   */
  public TowerOutput continueFrom(Paused from, long[][] ids, Hooks hooks) {
    return finish(stack.continueFrom(from, Integer.MAX_VALUE, hooks), ids);
  }

  private Tensor embed(long[][] ids) {
    int b = ids.length;
    int t = b == 0 ? 0 : ids[0].length;
    if (t == 0 || t > config.context()) {
      throw new InputException(
          b + " texts of " + t + " tokens",
          "this tower takes 1 to " + config.context() + " tokens",
          "Let the tokenizer cut and pad them");
    }
    long[] flat = new long[b * t];
    for (int i = 0; i < b; i++) {
      if (ids[i].length != t) throw new IllegalArgumentException("rows of different length");
      System.arraycopy(ids[i], 0, flat, i * t, t);
    }
    for (long id : flat) {
      if (id < 0 || id >= config.vocabulary()) {
        throw new InputException(
            "token id " + id,
            "the text tower knows ids below " + config.vocabulary(),
            "Use the tokenizer that belongs to this model");
      }
    }
    Scope.require();
    Tensor rows = weights.tokens().rows(flat);
    return rows.reshape(b, t, config.width())
        .addInPlace(weights.positions().narrow(0, 0, t).reshape(1, t, config.width()));
  }

  private TowerOutput finish(Tensor x, long[][] ids) {
    try (Scope scope = Scope.open()) {
      long t = x.size(1);
      long[] rows = new long[ids.length];
      for (int i = 0; i < rows.length; i++) rows[i] = i * t + endOf(ids[i]);
      Tensor ends =
          x.reshape(x.size(0) * t, x.size(2))
              .indexSelect(0, Tensor.of(rows, rows.length).to(device));
      Tensor pooled = weights.finalNorm().apply(ends);
      return TowerOutput.of(pooled, weights.projection(), scope);
    }
  }

  /** Position of the token whose vector represents a text. */
  int endOf(long[] ids) {
    return config.end().in(ids);
  }
}
