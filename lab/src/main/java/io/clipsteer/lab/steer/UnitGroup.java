// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.engine.model.HookPoint;

/**
 * The units of one kind at one hook point.
 *
 * @param sae the SAE's folder for features, else empty
 */
record UnitGroup(HookPoint point, String sae, SteeredUnits.Kind kind) {
  /** The SAE's name, or the hook point's for units that belong to no SAE. */
  String place() {
    return sae.isEmpty() ? point.peerName() : sae.substring(sae.lastIndexOf('/') + 1);
  }
}
