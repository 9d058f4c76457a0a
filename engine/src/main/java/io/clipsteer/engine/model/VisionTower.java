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
 * A vision transformer: patches, prefix tokens, pre-norm blocks, pooling, projection. Immutable, to
 * be used by one thread at a time; its weights live until the model is closed.
 */
public final class VisionTower {
  /**
   * The tower's shape.
   *
   * @param width d of the residual stream
   * @param layers number of blocks
   * @param heads attention heads
   * @param patch side of a patch, in pixels
   * @param imageSize side of the square input, in pixels
   * @param prefixTokens tokens before the patches: class, distillation, registers
   * @param activation the MLPs' non-linearity
   * @param pooling how tokens become one vector
   * @param embedDim e of the embedding; {@code width} without a projection
   * @param resize what becomes of images of another size
   */
  public record Config(
      int width,
      int layers,
      int heads,
      int patch,
      int imageSize,
      int prefixTokens,
      Activation activation,
      Pooling pooling,
      int embedDim,
      PositionResize resize) {
    /** Patches along one side of the input. */
    public int grid() {
      return imageSize / patch;
    }

    /** Tokens of one image at the native size, prefix included. */
    public int tokens() {
      return prefixTokens + grid() * grid();
    }
  }

  /**
   * The weights, ready to use.
   *
   * @param patch patch product [d,3·p·p], columns ordered channel, row, column
   * @param prefix prefix tokens with their positions added [p,d]
   * @param positions positions of the patches [g·g,d], row-major, g the grid they were trained for
   * @param preNorm norm before the first block, or null
   */
  public record Weights(
      Linear patch,
      Tensor prefix,
      Tensor positions,
      @Nullable Norm preNorm,
      List<Block> blocks,
      Norm finalNorm,
      @Nullable Linear projection) {}

  private final Config config;
  private final Weights weights;
  private final BlockStack stack;
  private final DType dtype;
  private final Device device;

  public VisionTower(Config config, Weights weights) {
    this.config = config;
    this.weights = weights;
    this.stack =
        new BlockStack(
            TowerKind.VISION, weights.blocks(), config.heads(), config.activation(), false);
    this.dtype = weights.prefix().dtype();
    this.device = weights.prefix().device();
  }

  /**
   * The same weights with another non-linearity in the MLPs: what one gets who mistakes the one for
   * the other. The products' copies belong to the current scope.
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
    Weights scaled =
        new Weights(
            weights.patch(),
            weights.prefix(),
            weights.positions(),
            weights.preNorm(),
            blocks,
            weights.finalNorm(),
            weights.projection());
    Config changed =
        new Config(
            config.width(),
            config.layers(),
            config.heads(),
            config.patch(),
            config.imageSize(),
            config.prefixTokens(),
            other,
            config.pooling(),
            config.embedDim(),
            config.resize());
    return new VisionTower(changed, scaled);
  }

  /** The tower's shape. */
  public Config config() {
    return config;
  }

  Weights weights() {
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
   * Refuses a hook point that this tower has not.
   *
   * @throws io.clipsteer.data.InputException with the layers there are
   */
  public void check(HookPoint point) {
    Hooks.checkPoint(point, TowerKind.VISION, config.layers());
  }

  /** Floating-point operations of the matrix products for one image at the native size. */
  public double flopsPerImage() {
    return 2.0 * config.tokens() * weights.patch().weight().elements() + flopsAfter(-1);
  }

  /**
   * The same of the blocks behind a layer; the last computes only the tokens that the answer needs.
   *
   * @param layer −1 for all blocks
   */
  public double flopsAfter(int layer) {
    double t = config.tokens();
    double flops = 0;
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
    Tensor last = stack.run(embed(pixels), wanted(), hooks);
    // Edits may overflow, and whoever makes them says so.
    if (hooks.isEmpty()) NotFiniteException.check(HookPoint.residPost(config.layers() - 1), last);
    return finish(last);
  }

  /**
   * The tower up to {@code stop}; hooks on the way, those at {@code stop} included, are applied.
   */
  public Paused runUntil(Tensor pixels, HookPoint stop, Hooks hooks) {
    return stack.runUntil(embed(pixels), stop, hooks);
  }

  /**
   * On to a later hook point, from where it was paused; hooks at the pause are not applied again.
   */
  public Paused continueUntil(Paused from, HookPoint stop, Hooks hooks) {
    return stack.continueUntil(from, stop, hooks);
  }

  /** The rest of the tower, from where it was paused; hooks at that point are not applied again. */
  public TowerOutput continueFrom(Paused from, Hooks hooks) {
    return finish(stack.continueFrom(from, wanted(), hooks));
  }

  /**
   * What follows the last block, for towers that answer from the class token alone; null for
   * others, whose pooling mixes tokens. Valid as long as the model.
   */
  public @Nullable ReadOut readOut() {
    if (config.pooling() != Pooling.CLS) return null;
    Norm norm = weights.finalNorm();
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
      case MEAN_OF_NORMED_PATCHES, NORM_OF_MEAN_PATCH -> Integer.MAX_VALUE;
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
    Tensor positions =
        gh * gw == weights.positions().size(0) && gh == gw
            ? weights.positions()
            : Positions.interpolate(
                weights.positions(),
                (int) gh,
                (int) gw,
                config.resize() == PositionResize.BICUBIC_ANTIALIASED);
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
    Tensor patches = weights.patch().apply(rows).reshape(b, gh * gw, d).addInPlace(positions);
    Tensor prefix = weights.prefix().reshape(1, config.prefixTokens(), d);
    Tensor x = Tensor.concat(List.of(prefix.expand(b, config.prefixTokens(), d), patches), 1);
    return weights.preNorm() == null ? x : weights.preNorm().apply(x);
  }

  private void checkSize(Tensor pixels) {
    long h = pixels.size(2);
    long w = pixels.size(3);
    boolean fits =
        config.resize() != PositionResize.NONE
            ? h >= config.patch() && w >= config.patch()
            : h == config.imageSize() && w == config.imageSize();
    if (!fits) {
      throw new InputException(
          "pixels of " + w + "×" + h,
          "this tower takes " + config.imageSize() + "×" + config.imageSize(),
          "Preprocess the images with the model's own settings");
    }
  }

  private TowerOutput finish(Tensor x) {
    try (Scope scope = Scope.open()) {
      int prefix = config.prefixTokens();
      Norm norm = weights.finalNorm();
      Tensor pooled =
          switch (config.pooling()) {
            case CLS -> norm.apply(x.select(1, 0).contiguous());
            case CLS_AND_DISTILLATION -> norm.apply(x.narrow(1, 0, 2).contiguous()).mean(1, false);
            case MEAN_OF_NORMED_PATCHES ->
                norm.apply(x).narrow(1, prefix, x.size(1) - prefix).mean(1, false);
            case NORM_OF_MEAN_PATCH ->
                norm.apply(x.narrow(1, prefix, x.size(1) - prefix).mean(1, false));
          };
      Tensor projected = weights.projection() == null ? pooled : weights.projection().apply(pooled);
      return new TowerOutput(scope.keep(pooled), scope.keep(projected.to(DType.F32).unit()));
    }
  }
}
