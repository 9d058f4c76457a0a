// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.world;

import static io.clipsteer.lab.world.Brush.blob;
import static io.clipsteer.lab.world.Brush.curve;
import static io.clipsteer.lab.world.Brush.open;
import static io.clipsteer.lab.world.Brush.oval;
import static io.clipsteer.lab.world.Brush.poly;

import java.util.SplittableRandom;

/** Birds that differ in bill, neck and feet alone. */
final class BirdArt {
  private BirdArt() {}

  /** Facing left. */
  static void paint(Brush b, boolean waterbird, SplittableRandom random) {
    double u = random.nextDouble();
    int limb = Brush.mix(0xe08a20, 0x5a4a3c, random.nextDouble());
    double neck = waterbird ? 0.28 + 0.27 * u : 0.02 + 0.12 * u;
    double bill = waterbird ? 0.34 + 0.1 * random.nextDouble() : 0.17 + 0.08 * random.nextDouble();
    legs(b, limb, waterbird);
    b.shade(-0.3, poly(0.6, 0.05, 1, -0.12 - 0.1 * u, 0.98, 0.18, 0.6, 0.3));
    double headX = -0.5;
    double headY = -0.2 - neck;
    b.line(b.tone(-0.05), 0.27, curve(-0.36, 0.1, -0.62, -0.1 - neck / 3, headX, headY));
    b.body(
        blob(
            -0.6, 0.15, -0.5, -0.22, 0, -0.2, 0.5, -0.2, 0.8, 0.08, 0.6, 0.5, 0.05, 0.52, -0.5, 0.5,
            -0.6, 0.15));
    b.shade(-0.3, blob(-0.2, 0.05, 0.25, -0.12, 0.7, 0.12, 0.35, 0.42, -0.2, 0.05));
    b.body(oval(headX, headY, 0.22, 0.2));
    if (waterbird) {
      b.fill(
          limb,
          blob(
              headX - 0.15,
              headY - 0.06,
              headX - bill,
              headY + 0.02,
              headX - bill - 0.1,
              headY + 0.03,
              headX - bill - 0.12,
              headY + 0.12,
              headX - 0.12,
              headY + 0.12));
    } else {
      b.fill(
          limb,
          poly(
              headX - 0.15,
              headY - 0.08,
              headX - bill - 0.15,
              headY + 0.04,
              headX - 0.14,
              headY + 0.1));
    }
    b.fill(0xf8f8f4, oval(headX - 0.06, headY - 0.04, 0.07, 0.07));
    b.fill(0x101010, oval(headX - 0.06, headY - 0.04, 0.045, 0.045));
  }

  private static void legs(Brush b, int limb, boolean waterbird) {
    for (double x : new double[] {-0.08, 0.22}) {
      if (waterbird) {
        b.line(limb, 0.1, open(x, 0.4, x, 0.72));
        b.fill(limb, poly(x, 0.64, x + 0.14, 0.86, x - 0.3, 0.86));
      } else {
        b.line(limb, 0.06, open(x, 0.4, x + 0.03, 0.85));
        b.line(limb, 0.045, open(x - 0.14, 0.86, x + 0.12, 0.86));
      }
    }
  }
}
