// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

/**
 * Shape of a vision tower.
 *
 * @param blocks shape of the blocks
 * @param patches how the input is cut
 * @param prefixTokens number of tokens before the patches: class, distillation, registers
 * @param pooling how tokens become one vector
 * @param embedDim e of the embedding; the width without a projection
 */
public record VisionConfig(
    TowerShape blocks, PatchGrid patches, int prefixTokens, Pooling pooling, int embedDim) {
  /** d of the residual stream. */
  public int width() {
    return blocks.width();
  }

  /** Number of blocks. */
  public int layers() {
    return blocks.layers();
  }

  /** The MLPs' non-linearity. */
  public Activation activation() {
    return blocks.activation();
  }

  /** Side of a patch, in pixels. */
  public int patch() {
    return patches.patch();
  }

  /** Side of the square input, in pixels. */
  public int imageSize() {
    return patches.imageSize();
  }

  /** Patches along one side of the input. */
  public int grid() {
    return patches.side();
  }

  /** Tokens of one image at the native size, prefix included. */
  public int tokens() {
    return prefixTokens + patches.count();
  }

  VisionConfig withActivation(Activation other) {
    return new VisionConfig(blocks.withActivation(other), patches, prefixTokens, pooling, embedDim);
  }
}
