// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import static io.clipsteer.world.Brush.blob;
import static io.clipsteer.world.Brush.curve;
import static io.clipsteer.world.Brush.open;
import static io.clipsteer.world.Brush.oval;
import static io.clipsteer.world.Brush.poly;

import java.awt.Shape;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Birds that differ in bill, neck and feet alone, and those by degrees: each trait is spread about
 * its kind's mean, and the feet are mostly hidden. A careful observer tells the kinds apart in
 * about nine images of ten; one that knows how often which kind lives where trusts the place more.
 */
final class BirdArt {
  private static final double FEET_SEEN = 0.3;

  private final SplittableRandom random;
  private final boolean waterbird;
  private final @Nullable Species species;

  private BirdArt(boolean waterbird, @Nullable Species species, SplittableRandom random) {
    this.waterbird = waterbird;
    this.species = species;
    this.random = random;
  }

  /** Facing left. */
  static void paint(Brush b, boolean waterbird, SplittableRandom random) {
    new BirdArt(waterbird, null, random).all(b);
  }

  /** A landbird of a species, facing left. */
  static void paint(Brush b, Species species, SplittableRandom random) {
    new BirdArt(false, species, random).all(b);
  }

  /** One bird's measure of a trait, nearly normal about its kind's mean. */
  private double trait(double water, double land, double spread, double low, double high) {
    double sum = -2;
    for (int i = 0; i < 4; i++) sum += random.nextDouble();
    double mean = waterbird ? water : land;
    return Math.clamp(mean + Math.sqrt(3) * spread * sum, low, high);
  }

  private void all(Brush b) {
    int limb = Brush.mix(0xe08a20, 0x5a4a3c, random.nextDouble());
    double neck = trait(0.31, 0.17, 0.09, 0.02, 0.6);
    double bill = trait(0.34, 0.25, 0.06, 0.12, 0.5);
    if (species != null) neck = species.part() == Species.Marked.BREAST ? 0.5 : 0.04;
    double flat = trait(0.68, 0.32, 0.24, 0, 1);
    double tail = random.nextDouble();
    if (random.nextDouble() < FEET_SEEN) legs(b, limb);
    b.part(ScenePart.TAIL)
        .shade(-0.3, poly(0.6, 0.05, 1, -0.12 - 0.1 * tail, 0.98, 0.18, 0.6, 0.3));
    double headX = -0.5;
    double headY = -0.2 - neck;
    b.part(ScenePart.BODY)
        .line(b.tone(-0.05), 0.27, curve(-0.36, 0.1, -0.62, -0.1 - neck / 3, headX, headY));
    b.body(
        blob(
            -0.6, 0.15, -0.5, -0.22, 0, -0.2, 0.5, -0.2, 0.8, 0.08, 0.6, 0.5, 0.05, 0.52, -0.5, 0.5,
            -0.6, 0.15));
    wing(b);
    b.part(ScenePart.BODY).body(oval(headX, headY, 0.22, 0.2));
    // From a pointed bill to one as broad at its end as at its root.
    double tip = headX - bill - 0.14;
    double broad = 0.02 + 0.11 * flat;
    b.part(ScenePart.BILL);
    b.fill(
        limb,
        blob(
            headX - 0.14,
            headY - 0.08,
            headX - 0.6 * bill,
            headY - 0.05 + 0.07 * flat,
            tip,
            headY + 0.06 - broad / 2,
            tip - 0.5 * broad,
            headY + 0.06,
            tip,
            headY + 0.06 + broad / 2,
            headX - 0.6 * bill,
            headY + 0.1,
            headX - 0.13,
            headY + 0.12));
    b.part(ScenePart.BODY).fill(0xf8f8f4, oval(headX - 0.06, headY - 0.04, 0.07, 0.07));
    b.fill(0x101010, oval(headX - 0.06, headY - 0.04, 0.045, 0.045));
  }

  private void wing(Brush b) {
    Shape wing = blob(-0.2, 0.05, 0.25, -0.12, 0.7, 0.12, 0.35, 0.42, -0.2, 0.05);
    if (species == null) {
      b.part(ScenePart.WING).shade(-0.3, wing);
      return;
    }
    // Drawn for every species, so that two relatives of one seed are the same but for the part.
    double pale = 0.1 * random.nextDouble();
    if (species.painted() == null) {
      b.part(ScenePart.WING).shade(-0.3, wing);
      return;
    }
    int paint = Brush.mix(species.painted().rgb, 0x808080, pale);
    if (species.part() == Species.Marked.WING) {
      b.part(ScenePart.WING)
          .fill(paint, blob(-0.3, 0.05, 0.2, -0.24, 0.78, 0.1, 0.4, 0.56, -0.3, 0.05));
    } else {
      b.part(ScenePart.BREAST).fill(paint, oval(-0.34, 0.2, 0.24, 0.26));
      b.part(ScenePart.WING).shade(-0.3, wing);
    }
  }

  private void legs(Brush b, int limb) {
    b.part(ScenePart.FEET);
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
