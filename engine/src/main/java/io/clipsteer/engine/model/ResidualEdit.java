// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.engine.Tensor;
import org.apiguardian.api.API;

/**
 * Changes the value at a hook point. Features, neurons, random directions, splices and ablations
 * are all this one interface, so every baseline runs the path of the method.
 */
@FunctionalInterface
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public interface ResidualEdit {
  /**
   * @param point where the tower is
   * @param residual the value there, [b,t,d]; not to be changed in place
   * @return the residual that the tower continues with, of the same shape and element type
   */
  Tensor edit(HookPoint point, Tensor residual);
}
