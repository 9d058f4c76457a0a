// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import static io.clipsteer.world.Brush.blob;
import static io.clipsteer.world.Brush.curve;
import static io.clipsteer.world.Brush.open;
import static io.clipsteer.world.Brush.oval;
import static io.clipsteer.world.Brush.poly;

/** How animals look. */
final class AnimalArt {
  private static final int DARK = 0x141414;

  private AnimalArt() {}

  static void fish(Brush b) {
    b.shade(-0.2, poly(0.5, 0, 1, -0.55, 0.9, 0, 1, 0.55));
    b.shade(-0.25, poly(-0.2, -0.45, 0.25, -0.8, 0.4, -0.35));
    b.body(
        blob(
            -0.98, 0, -0.6, -0.62, 0, -0.55, 0.4, -0.45, 0.65, 0, 0.4, 0.45, 0, 0.55, -0.6, 0.62,
            -0.98, 0));
    b.line(b.tone(-0.4), 0.06, curve(-0.42, -0.4, -0.22, 0, -0.42, 0.4));
    eye(b, -0.64, -0.12, 0.1);
  }

  static void cat(Brush b) {
    b.line(b.tone(-0.2), 0.2, curve(0.5, 0.75, 1.05, 0.7, 0.8, 0.1));
    b.body(blob(-0.45, 0.95, -0.55, 0.1, 0, 0.1, 0.7, 0.15, 0.62, 0.95));
    b.body(poly(-0.75, -0.35, -0.72, -1, -0.3, -0.62));
    b.body(poly(0.32, -0.35, 0.3, -1, -0.12, -0.62));
    b.body(oval(-0.2, -0.25, 0.56, 0.48));
    eye(b, -0.42, -0.3, 0.1);
    eye(b, 0.02, -0.3, 0.1);
    b.fill(0xe58a9a, poly(-0.27, -0.12, -0.13, -0.12, -0.2, -0.03));
    b.line(0xd8d8d8, 0.03, open(-0.55, -0.08, -0.9, -0.15));
    b.line(0xd8d8d8, 0.03, open(0.15, -0.08, 0.5, -0.15));
  }

  static void dog(Brush b) {
    b.line(b.tone(-0.1), 0.16, curve(0.72, 0.1, 1, -0.1, 0.95, -0.4));
    for (double x : new double[] {-0.32, -0.08, 0.42, 0.66}) {
      b.line(b.tone(-0.2), 0.17, open(x, 0.35, x, 0.88));
    }
    b.body(
        blob(
            -0.45, 0.1, -0.1, -0.1, 0.4, -0.02, 0.85, 0, 0.8, 0.35, 0.6, 0.6, 0.1, 0.52, -0.45,
            0.55, -0.45, 0.1));
    b.body(
        blob(
            -0.3, 0.2, -0.2, -0.6, -0.55, -0.62, -0.8, -0.62, -0.82, -0.35, -1.05, -0.3, -1, -0.08,
            -0.8, 0.05, -0.6, 0, -0.5, 0.15, -0.3, 0.2));
    b.shade(-0.45, blob(-0.4, -0.6, -0.12, -0.5, -0.2, 0.05, -0.45, -0.05, -0.4, -0.6));
    b.fill(DARK, oval(-0.98, -0.22, 0.09, 0.08));
    eye(b, -0.65, -0.4, 0.08);
  }

  private static void eye(Brush b, double x, double y, double r) {
    b.fill(0xfafafa, oval(x, y, r, r));
    b.fill(DARK, oval(x, y, r * 0.6, r * 0.6));
  }
}
