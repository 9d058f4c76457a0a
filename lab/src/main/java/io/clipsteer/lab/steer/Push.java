// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

/**
 * What becomes of a unit's activation: {@code f' = factor·f + offset}. A feature's activation is
 * the SAE's, a neuron's its coordinate of the residual; a random direction's is 0.
 *
 * @param factor finite
 * @param offset finite; of features and random directions in units of the normalised residual, or
 *     of the residual itself
 */
public record Push(double factor, double offset) {
  /** The activation becomes {@code value}. */
  public static Push set(double value) {
    return new Push(0, value);
  }

  /** The activation is multiplied. */
  public static Push scale(double factor) {
    return new Push(factor, 0);
  }

  /** The activation grows by {@code value}. */
  public static Push add(double value) {
    return new Push(1, value);
  }

  /** The activation becomes 0. */
  public static Push ablate() {
    return new Push(0, 0);
  }
}
