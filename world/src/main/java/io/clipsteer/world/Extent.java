// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

/** How large an object is on the image. */
public enum Extent implements Worded {
  SMALL(0.22, 0.25),
  MEDIUM(0.29, 0.34),
  LARGE(0.39, 0.45);

  private final double low;
  private final double high;

  Extent(double low, double high) {
    this.low = low;
    this.high = high;
  }

  /** Half the object's side, as a share of the image's; {@code u} in [0,1). */
  double half(double u) {
    return low + (high - low) * u;
  }
}
