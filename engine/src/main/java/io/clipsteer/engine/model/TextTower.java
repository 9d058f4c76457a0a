// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Block.Linear;
import io.clipsteer.engine.model.Block.Norm;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * CLIP's text transformer: token and position embeddings, pre-norm blocks (causal as a rule), final
 * norm, the end token's vector, projection.
 */
public final class TextTower {
  /** Which token speaks for the text. */
  public enum EndRule {
    /** The largest id: the end token of CLIP's vocabulary (OpenAI, open_clip, legacy configs). */
    LARGEST_ID,
    /** The first token with the end id. */
    FIRST_END,
    /** The first position. */
    FIRST,
    /** The last position. */
    LAST
  }

  /**
   * The tower's shape.
   *
   * @param width d of the residual stream
   * @param layers number of blocks
   * @param heads attention heads
   * @param context longest text in tokens
   * @param vocabulary number of token ids
   * @param activation the MLPs' non-linearity
   * @param causal whether a token sees only itself and those before it
   * @param endRule which token speaks for the text
   * @param endId the end token's id, for {@link EndRule#FIRST_END}
   * @param embedDim e of the embedding
   */
  public record Config(
      int width,
      int layers,
      int heads,
      int context,
      int vocabulary,
      Activation activation,
      boolean causal,
      EndRule endRule,
      int endId,
      int embedDim) {}

  /**
   * The weights, ready to use.
   *
   * @param tokens [vocabulary,d]
   * @param positions [context,d]
   */
  public record Weights(
      Tensor tokens,
      Tensor positions,
      List<Block> blocks,
      Norm finalNorm,
      @Nullable Linear projection) {}

  private final Config config;
  private final Weights weights;
  private final BlockStack stack;
  private final Device device;

  public TextTower(Config config, Weights weights) {
    this.config = config;
    this.weights = weights;
    this.stack =
        new BlockStack(
            TowerKind.TEXT, weights.blocks(), config.heads(), config.activation(), config.causal());
    this.device = weights.tokens().device();
  }

  /** The tower's shape. */
  public Config config() {
    return config;
  }

  Weights weights() {
    return weights;
  }

  /** Element type of weights and residual stream. */
  public DType dtype() {
    return weights.tokens().dtype();
  }

  /**
   * The whole tower.
   *
   * @param ids token ids, one row a text, all rows of the same length ≤ context
   */
  public TowerOutput run(long[][] ids, Hooks hooks) {
    Tensor last = stack.run(embed(ids), Integer.MAX_VALUE, hooks);
    var end = new HookPoint(TowerKind.TEXT, config.layers() - 1, Site.RESID_POST);
    if (hooks.isEmpty()) NotFiniteException.check(end, last);
    return finish(last, ids);
  }

  /**
   * The tower up to {@code stop}; hooks on the way, those at {@code stop} included, are applied.
   */
  public Paused runUntil(long[][] ids, HookPoint stop, Hooks hooks) {
    return stack.runUntil(embed(ids), stop, hooks);
  }

  /**
   * The rest of the tower, from where it was paused.
   *
   * @param ids the texts' ids again: they say which token speaks
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
    Tensor rows = weights.tokens().indexSelect(0, Tensor.of(flat, flat.length).to(device));
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
      Tensor projected = weights.projection() == null ? pooled : weights.projection().apply(pooled);
      return new TowerOutput(scope.keep(pooled), scope.keep(projected.to(DType.F32).unit()));
    }
  }

  /** Place of the token that speaks for a text. */
  int endOf(long[] ids) {
    return switch (config.endRule()) {
      case FIRST -> 0;
      case LAST -> ids.length - 1;
      case LARGEST_ID -> {
        int best = 0;
        for (int i = 1; i < ids.length; i++) if (ids[i] > ids[best]) best = i;
        yield best;
      }
      case FIRST_END -> {
        for (int i = 0; i < ids.length; i++) if (ids[i] == config.endId()) yield i;
        // Hugging Face takes arg max of an all-false row, which is 0.
        yield 0;
      }
    };
  }
}
