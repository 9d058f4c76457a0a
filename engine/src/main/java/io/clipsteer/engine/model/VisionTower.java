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
import java.util.Objects;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A vision transformer: patches, prefix tokens, pre-norm blocks, pooling, projection. Immutable;
 * for one thread at a time. Its weights live until the model is closed.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class VisionTower {
  private final VisionConfig config;
  private final VisionWeights weights;
  private final BlockStack stack;
  private final DType dtype;
  private final Device device;

  public VisionTower(VisionConfig config, VisionWeights weights) {
    this.config = config;
    this.weights = weights;
    this.stack =
        new BlockStack(
            TowerKind.VISION, weights.blocks(), config.blocks(), false, config.prefixTokens());
    this.dtype = weights.prefix().dtype();
    this.device = weights.prefix().device();
  }

  /**
   * The same weights with another non-linearity in the MLPs, as if the checkpoint's were mistaken.
   * The scaled copies of MLP weights belong to the current scope.
   *
   * @param other GELU, QUICK_GELU or GELU_TANH, of a tower that has one of these
   */
  public VisionTower withActivation(Activation other) {
    if (other == Activation.SWIGLU || config.activation() == Activation.SWIGLU) {
      throw new IllegalArgumentException("SwiGLU has weights of another shape");
    }
    Scope.require();
    double inner = other.innerScale() / config.activation().innerScale();
    List<Block> blocks =
        weights.blocks().stream().map(block -> block.withMlpScaled(inner)).toList();
    AttentionPool pool = weights.pool();
    return new VisionTower(
        config.withActivation(other),
        weights.with(blocks, pool == null ? null : pool.withActivation(other)));
  }

  /** The tower's shape. */
  public VisionConfig config() {
    return config;
  }

  VisionWeights weights() {
    return weights;
  }

  /** Element type of weights and residual stream: F32 or BF16. */
  public DType dtype() {
    return dtype;
  }

  /** Where it runs. */
  public Device device() {
    return device;
  }

  /**
   * Checks that this tower has a hook point.
   *
   * @throws InputException naming the tower's layers when it does not
   */
  public void check(HookPoint point) {
    Hooks.checkPoint(point, TowerKind.VISION, config.layers());
  }

  /** Floating-point operations of the matrix products for one image at the native size. */
  public double flopsPerImage() {
    return 2.0 * config.tokens() * weights.patch().weight().elements() + flopsAfter(-1);
  }

  /**
   * The same for the blocks after a layer and attention pooling; the last block computes only the
   * tokens that pooling reads.
   *
   * @param layer −1 for all blocks
   */
  public double flopsAfter(int layer) {
    double t = config.tokens();
    double flops = weights.pool() == null ? 0 : weights.pool().flops(t);
    for (int l = layer + 1; l < config.layers(); l++) {
      double queries = l < config.layers() - 1 ? t : Math.min(t, wanted());
      flops += weights.blocks().get(l).flops(t, queries);
    }
    return flops;
  }

  /**
   * The whole tower.
   *
   * @param pixels normalised images [b,3,h,w]
   */
  public TowerOutput run(Tensor pixels, Hooks hooks) {
    return finish(stack.run(embed(pixels), wanted(), hooks));
  }

  /** The tower up to {@code stop}, applying hooks up to and including those at {@code stop}. */
  public Paused runUntil(Tensor pixels, HookPoint stop, Hooks hooks) {
    return stack.runUntil(embed(pixels), stop, hooks);
  }

  /** Continues from a pause to a later hook point; hooks at the pause are not applied again. */
  public Paused continueUntil(Paused from, HookPoint stop, Hooks hooks) {
    return stack.continueUntil(from, stop, hooks);
  }

  /** Continues from a pause to the end; hooks at the pause are not applied again. */
  public TowerOutput continueFrom(Paused from, Hooks hooks) {
    return finish(stack.continueFrom(from, wanted(), hooks));
  }

  /**
   * The output for residuals, in a scope of the caller's; recorded where the residuals are
   * trainable or come from what is.
   *
   * @param residual of a layer's end, F32 [b,t,d]
   * @param layer number of blocks that are done
   * @return in F32
   */
  public TowerOutput recorded(Tensor residual, int layer) {
    long b = residual.size(0);
    long t = residual.size(1);
    long d = residual.size(2);
    Tensor x = residual.reshape(b * t, d);
    long left = t;
    Rotary.Turn turn = config.blocks().turn(residual, config.prefixTokens());
    for (int l = layer; l < config.layers(); l++) {
      left = l < config.layers() - 1 ? t : Math.min(t, wanted());
      x = Recorded.block(weights.blocks().get(l), x, b, config.blocks(), false, left, turn);
    }
    Norm norm = weights.finalNorm();
    Norm wide =
        norm == null
            ? null
            : new Norm(Recorded.f32(norm.weight()), Recorded.f32(norm.bias()), norm.eps());
    AttentionPool pool = weights.pool();
    Tensor pooled = pooled(x.reshape(b, left, d), wide, pool == null ? null : pool.wide());
    return new TowerOutput(pooled, Recorded.embedding(pooled, weights.projection()));
  }

  /**
   * Tokens as a linear head reads them: after the tower's final norm, where it has one.
   *
   * @param residual of any layer [b,t,d]
   */
  public Tensor normed(Tensor residual) {
    return normed(residual, weights.finalNorm());
  }

  private static Tensor normed(Tensor x, @Nullable Norm norm) {
    return norm == null ? x : norm.apply(x);
  }

  /**
   * The final norm alone, as heads on tokens read it; null for towers without one. Closed with the
   * model.
   */
  public @Nullable ReadOut finalNorm() {
    Norm norm = weights.finalNorm();
    if (norm == null) return null;
    return new ReadOut(norm.weight(), norm.bias(), norm.eps(), null, null);
  }

  /**
   * The read-out after the last block, for towers that pool the class token alone; null for others,
   * whose pooling mixes tokens. Closed with the model.
   */
  public @Nullable ReadOut readOut() {
    Norm norm = weights.finalNorm();
    if (config.pooling() != Pooling.CLS || norm == null) return null;
    Linear projection = weights.projection();
    return new ReadOut(
        norm.weight(),
        norm.bias(),
        norm.eps(),
        projection == null ? null : projection.weight(),
        projection == null ? null : projection.bias());
  }

  private int wanted() {
    return switch (config.pooling()) {
      case CLS -> 1;
      case CLS_AND_DISTILLATION -> 2;
      case MEAN_OF_NORMED_PATCHES, NORM_OF_MEAN_PATCH, ATTENTION -> Integer.MAX_VALUE;
    };
  }

  /** The residual stream before the first block [b,t,d]. */
  private Tensor embed(Tensor pixels) {
    Scope.require();
    try (Scope scope = Scope.open()) {
      return scope.keep(tokens(pixels));
    }
  }

  private Tensor tokens(Tensor pixels) {
    int p = config.patch();
    if (pixels.shape().length != 4 || pixels.size(1) != 3) {
      throw new IllegalArgumentException("pixels are [b,3,h,w], not " + pixels);
    }
    long b = pixels.size(0);
    long gh = pixels.size(2) / p;
    long gw = pixels.size(3) / p;
    checkSize(pixels);
    Tensor rows =
        pixels
            .narrow(2, 0, gh * p)
            .narrow(3, 0, gw * p)
            .to(device)
            .to(dtype)
            .reshape(b, 3, gh, p, gw, p)
            .permute(0, 2, 4, 1, 3, 5)
            .reshape(b * gh * gw, 3L * p * p);
    long d = config.width();
    Tensor patches = weights.patch().apply(rows).reshape(b, gh * gw, d);
    Tensor positions = positions((int) gh, (int) gw);
    if (positions != null) patches = patches.addInPlace(positions);
    int n = config.prefixTokens();
    Tensor x =
        n == 0
            ? patches
            : Tensor.concat(List.of(weights.prefix().reshape(1, n, d).expand(b, n, d), patches), 1);
    return weights.preNorm() == null ? x : weights.preNorm().apply(x);
  }

  /** Learned positions for a grid, or null where there are none. */
  @Nullable Tensor positions(int height, int width) {
    Tensor own = weights.positions();
    if (own == null || (own.size(0) == (long) height * width && height == width)) return own;
    boolean antialias = config.patches().resize() == PositionResize.BICUBIC_ANTIALIASED;
    return Positions.interpolate(own, height, width, antialias);
  }

  private void checkSize(Tensor pixels) {
    long h = pixels.size(2);
    long w = pixels.size(3);
    if (!config.patches().fits(h, w)) {
      throw new InputException(
          "pixels of " + w + "×" + h,
          config.patches().resize() == PositionResize.ROTARY
              ? "this tower takes squares of at least " + config.patch() + " pixels a side"
              : "this tower takes " + config.imageSize() + "×" + config.imageSize(),
          "Preprocess the images with the model's own settings");
    }
  }

  private TowerOutput finish(Tensor x) {
    try (Scope scope = Scope.open()) {
      Tensor pooled = pooled(x, weights.finalNorm(), weights.pool());
      return TowerOutput.of(pooled, weights.projection(), scope);
    }
  }

  private Tensor pooled(Tensor x, @Nullable Norm norm, @Nullable AttentionPool pool) {
    int prefix = config.prefixTokens();
    return switch (config.pooling()) {
      case CLS -> normed(x.select(1, 0).contiguous(), norm);
      case CLS_AND_DISTILLATION -> normed(x.narrow(1, 0, 2).contiguous(), norm).mean(1, false);
      case MEAN_OF_NORMED_PATCHES ->
          normed(x, norm).narrow(1, prefix, x.size(1) - prefix).mean(1, false);
      case NORM_OF_MEAN_PATCH ->
          normed(x.narrow(1, prefix, x.size(1) - prefix).mean(1, false), norm);
      case ATTENTION -> Objects.requireNonNull(pool).apply(normed(x, norm));
    };
  }
}
