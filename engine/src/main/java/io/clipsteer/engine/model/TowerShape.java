// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

/**
 * Shape of a tower's blocks.
 *
 * @param width d of the residual stream
 * @param layers number of blocks
 * @param heads attention heads, a divisor of {@code width}
 * @param hidden width inside the MLPs
 * @param activation the MLPs' non-linearity
 * @param eps added to the variance in layer norms
 */
public record TowerShape(
    int width, int layers, int heads, int hidden, Activation activation, double eps) {
  TowerShape withActivation(Activation other) {
    return new TowerShape(width, layers, heads, hidden, other, eps);
  }
}
