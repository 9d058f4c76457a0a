// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import static io.clipsteer.world.Brush.blob;
import static io.clipsteer.world.Brush.box;
import static io.clipsteer.world.Brush.open;
import static io.clipsteer.world.Brush.oval;
import static io.clipsteer.world.Brush.poly;
import static io.clipsteer.world.Brush.round;

/** How vehicles look. */
final class VehicleArt {
  private static final int GLASS = 0xcfe8f5;
  private static final int TYRE = 0x1a1a1c;

  private VehicleArt() {}

  static void car(Brush b) {
    b.body(
        blob(
            -1, 0.45, -1.02, 0.02, -0.8, 0, -0.6, -0.02, -0.5, -0.1, -0.4, -0.55, -0.1, -0.55, 0.3,
            -0.58, 0.55, -0.1, 0.95, -0.05, 1, 0.2, 1.02, 0.4, 1, 0.45));
    b.fill(GLASS, poly(-0.35, -0.1, -0.22, -0.4, 0, -0.4, 0, -0.1));
    b.fill(GLASS, poly(0.08, -0.1, 0.08, -0.4, 0.22, -0.38, 0.4, -0.1));
    wheel(b, -0.55, 0.45, 0.24);
    wheel(b, 0.55, 0.45, 0.24);
    b.fill(0xfff2a8, oval(0.93, 0.15, 0.07, 0.09));
  }

  static void bus(Brush b) {
    b.body(round(-1, -0.75, 2, 1.3, 0.14));
    for (int i = 0; i < 4; i++) b.fill(GLASS, box(-0.85 + 0.44 * i, -0.52, 0.34, 0.42));
    b.shade(-0.35, box(-1, 0.15, 2, 0.1));
    wheel(b, -0.55, 0.58, 0.22);
    wheel(b, 0.55, 0.58, 0.22);
  }

  private static void wheel(Brush b, double x, double y, double r) {
    b.fill(TYRE, oval(x, y, r, r));
    b.fill(0xa8abb0, oval(x, y, r * 0.45, r * 0.45));
  }

  static void boat(Brush b) {
    b.line(0x5c4327, 0.09, open(0, -1, 0, 0.4));
    b.fill(0xf7f5ee, poly(0.08, -0.95, 0.8, 0.22, 0.08, 0.22));
    b.fill(0xe4e0d4, poly(-0.08, -0.7, -0.6, 0.22, -0.08, 0.22));
    b.body(
        blob(
            -1, 0.32, 0, 0.36, 1, 0.32, 0.85, 0.9, 0.5, 0.92, -0.3, 0.95, -0.55, 0.9, -0.85, 0.85,
            -1, 0.32));
  }

  static void plane(Brush b) {
    b.shade(-0.3, poly(-0.1, 0.05, 0.3, 0.05, -0.25, 0.85, -0.45, 0.85));
    b.shade(-0.3, poly(-0.05, -0.1, 0.25, -0.1, -0.25, -0.7, -0.4, -0.7));
    b.body(poly(-1, -0.62, -0.78, -0.62, -0.55, -0.1, -0.9, -0.05));
    b.body(
        blob(
            -0.95, 0.02, -0.9, -0.22, -0.4, -0.22, 0.4, -0.24, 0.7, -0.2, 1.1, -0.05, 0.95, 0.12,
            0.8, 0.22, 0.3, 0.22, -0.6, 0.22, -0.95, 0.02));
    for (int i = 0; i < 4; i++) b.fill(GLASS, oval(-0.4 + 0.27 * i, -0.04, 0.07, 0.07));
  }
}
