// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.engine.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Shape of a tower's blocks.
 *
 * @param width d of the residual stream
 * @param layers number of blocks
 * @param heads attention heads, a divisor of {@code width}
 * @param hidden width inside the MLPs
 * @param activation the MLPs' non-linearity
 * @param eps added to the variance in layer norms
 * @param rotary positions in attention, or null
 */
public record TowerShape(
    int width,
    int layers,
    int heads,
    int hidden,
    Activation activation,
    double eps,
    @Nullable Rotary rotary) {
  /** A shape without rotary positions. */
  public TowerShape(
      int width, int layers, int heads, int hidden, Activation activation, double eps) {
    this(width, layers, heads, hidden, activation, eps, null);
  }

  TowerShape withActivation(Activation other) {
    return new TowerShape(width, layers, heads, hidden, other, eps, rotary);
  }

  /**
   * The tables of rotary positions for a residual.
   *
   * @param x residual [b,t,d] of a square grid of patches
   * @param prefix tokens before the patches
   * @return in fp32, in the current scope; null without rotary positions
   */
  Rotary.@Nullable Turn turn(Tensor x, int prefix) {
    if (rotary == null) return null;
    int patches = Math.toIntExact(x.size(1)) - prefix;
    int side = (int) Math.round(Math.sqrt(patches));
    if (side * side != patches) {
      throw new IllegalArgumentException(patches + " patches are no square");
    }
    return rotary.tables(prefix, side, width / heads).on(x.device());
  }
}
