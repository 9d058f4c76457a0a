// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import java.util.List;

/**
 * Units of one site, by number; a number that occurs twice counts once.
 *
 * @param features of the site's SAE
 * @param neurons coordinates of the residual
 * @param randoms seeds of random directions
 */
public record UnitNumbers(List<Integer> features, List<Integer> neurons, List<Integer> randoms) {
  public UnitNumbers {
    features = features.stream().distinct().toList();
    neurons = neurons.stream().distinct().toList();
    randoms = randoms.stream().distinct().toList();
  }
}
