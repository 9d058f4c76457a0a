// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import static io.clipsteer.world.Brush.blob;
import static io.clipsteer.world.Brush.box;
import static io.clipsteer.world.Brush.curve;
import static io.clipsteer.world.Brush.open;
import static io.clipsteer.world.Brush.oval;
import static io.clipsteer.world.Brush.poly;
import static io.clipsteer.world.Brush.round;

import java.util.SplittableRandom;

/** Heads and shoulders. Gender shows in jaw, brows, lips, neck and shoulders, all by degrees. */
final class PortraitArt {
  private static final int[] SKIN = {0xf6d3b8, 0xe8b890, 0xc98f62, 0x9a6440, 0x6e4630};

  private final Brush b;
  private final Factors.Portrait p;
  private final SplittableRandom random;
  private final int skin;
  private final int hair;

  private PortraitArt(Brush brush, Factors.Portrait portrait, SplittableRandom random) {
    this.b = brush;
    this.p = portrait;
    this.random = random;
    double tone = portrait.skin() * (SKIN.length - 1);
    int below = Math.clamp((int) tone, 0, SKIN.length - 2);
    this.skin = Brush.mix(SKIN[below], SKIN[below + 1], tone - below);
    this.hair = Brush.mix(portrait.hair().rgb, 0x7a6a5a, 0.15 * random.nextDouble());
  }

  static void paint(Brush brush, Factors.Portrait portrait, SplittableRandom random) {
    new PortraitArt(brush, portrait, random).all();
  }

  /** How strongly a trait is a man's: 0 to 1, the two genders overlapping by half. */
  private double manly() {
    double u = 0.75 * random.nextDouble();
    return p.gender() == Factors.Gender.MAN ? 1 - u : u;
  }

  private void all() {
    double shoulder = 0.62 + 0.24 * manly();
    double neck = 0.13 + 0.1 * manly();
    double jaw = 0.16 + 0.2 * manly();
    double width = 0.36 + 0.03 * random.nextDouble();
    boolean isLong = p.length() == Factors.Length.LONG;
    if (isLong) longHair(width);
    clothes(shoulder, neck);
    b.part(ScenePart.SKIN);
    b.fill(Brush.mix(skin, 0x402010, 0.15), box(-neck, 0.2, 2 * neck, 0.3));
    b.fill(skin, oval(-width, -0.1, 0.07, 0.1));
    b.fill(skin, oval(width, -0.1, 0.07, 0.1));
    face(width, jaw);
    if (p.beard()) beard(width, jaw);
    b.part(ScenePart.SKIN);
    features();
    b.part(ScenePart.HAIR);
    topHair(width);
    if (p.glasses()) glasses();
    if (p.hat()) hat(width);
  }

  private void longHair(double width) {
    double end = 0.35 + 0.25 * random.nextDouble();
    double w = width + 0.14;
    b.part(ScenePart.HAIR);
    b.fill(
        Brush.mix(hair, 0, 0.15),
        blob(
            -w, end, -w - 0.08, -0.2, -w + 0.06, -0.5, -0.2, -0.85, 0, -0.84, 0.2, -0.85, w - 0.06,
            -0.5, w + 0.08, -0.2, w, end, 0, end + 0.1, -w, end));
  }

  private void clothes(double shoulder, double neck) {
    int cloth = b.tone(0);
    b.part(ScenePart.CLOTH);
    b.body(
        blob(
            -shoulder, 1.1, -shoulder, 0.5, -0.25, 0.42, 0, 0.4, 0.25, 0.42, shoulder, 0.5,
            shoulder, 1.1, 0, 1.1, -shoulder, 1.1));
    switch (p.clothing()) {
      case SHIRT -> {
        b.fill(Brush.mix(cloth, 0xffffff, 0.35), poly(-0.24, 0.42, 0, 0.7, -0.3, 0.62));
        b.fill(Brush.mix(cloth, 0xffffff, 0.35), poly(0.24, 0.42, 0, 0.7, 0.3, 0.62));
      }
      case SUIT -> {
        b.fill(0xf6f6f4, poly(-0.22, 0.42, 0.22, 0.42, 0, 1));
        b.fill(0x8f1f2a, poly(-0.06, 0.5, 0.06, 0.5, 0.09, 1, -0.09, 1));
        b.line(b.tone(-0.5), 0.05, open(-0.24, 0.42, 0, 1.02));
        b.line(b.tone(-0.5), 0.05, open(0.24, 0.42, 0, 1.02));
      }
      case SWEATER ->
          b.shade(
              -0.35,
              blob(
                  -neck - 0.1,
                  0.36,
                  0,
                  0.3,
                  neck + 0.1,
                  0.36,
                  neck + 0.12,
                  0.6,
                  0,
                  0.58,
                  -neck - 0.12,
                  0.6,
                  -neck - 0.1,
                  0.36));
      case DRESS -> {
        b.part(ScenePart.SKIN)
            .fill(skin, blob(-0.34, 0.42, 0, 1.15, 0.34, 0.42, 0, 0.36, -0.34, 0.42));
        b.part(ScenePart.CLOTH)
            .line(0xf2e6b0, 0.035, curve(-neck - 0.04, 0.44, 0, 0.72, neck + 0.04, 0.44));
      }
    }
  }

  private void face(double width, double jaw) {
    b.fill(
        skin,
        blob(
            -width,
            -0.15,
            -width,
            -0.62,
            0,
            -0.62,
            width,
            -0.62,
            width,
            -0.15,
            width,
            0.12,
            jaw + 0.06,
            0.27,
            jaw * 0.6,
            0.4,
            0,
            0.4,
            -jaw * 0.6,
            0.4,
            -jaw - 0.06,
            0.27,
            -width,
            0.12,
            -width,
            -0.15));
  }

  private void beard(double width, double jaw) {
    int rgb = Brush.mix(hair, 0x2a1c12, 0.3);
    b.part(ScenePart.BEARD);
    b.fill(
        rgb,
        blob(
            -width + 0.02,
            0.02,
            -width,
            0.3,
            -jaw,
            0.36,
            -jaw * 0.6,
            0.47,
            0,
            0.47,
            jaw * 0.6,
            0.47,
            jaw,
            0.36,
            width,
            0.3,
            width - 0.02,
            0.02,
            0.2,
            0.06,
            0.14,
            0.09,
            0,
            0.04,
            -0.14,
            0.09,
            -0.2,
            0.06,
            -width + 0.02,
            0.02));
  }

  private void features() {
    double brow = 0.022 + 0.05 * manly();
    double lips = manly();
    int eye = Brush.mix(0x3a2412, 0x2f6aa0, random.nextDouble());
    for (int side = -1; side <= 1; side += 2) {
      double x = side * 0.16;
      b.fill(0xfafaf6, oval(x, -0.14, 0.075, 0.05));
      b.fill(eye, oval(x, -0.14, 0.042, 0.045));
      b.line(
          Brush.mix(hair, 0x201008, 0.45), brow, curve(x - 0.09, -0.24, x, -0.3, x + 0.09, -0.24));
      if (lips < 0.45) b.line(0x181010, 0.025, curve(x - 0.08, -0.16, x, -0.21, x + 0.08, -0.16));
    }
    b.line(Brush.mix(skin, 0x502818, 0.35), 0.03, open(0.01, -0.08, 0.05, 0.05, -0.02, 0.06));
    int mouth = Brush.mix(0xc4303c, Brush.mix(skin, 0x6a3028, 0.45), lips);
    double thick = 0.055 - 0.03 * lips;
    b.fill(
        mouth, blob(-0.13, 0.18, 0, 0.18 - thick, 0.13, 0.18, 0, 0.2 + 1.6 * thick, -0.13, 0.18));
  }

  private void topHair(double width) {
    double part = -0.2 + 0.4 * random.nextDouble();
    double low = -0.12 - 0.1 * random.nextDouble();
    double w = width + 0.05;
    b.fill(
        hair,
        blob(
            -w,
            low,
            -w - 0.04,
            -0.72,
            part * 0.5,
            -0.76,
            w + 0.04,
            -0.74,
            w,
            low,
            width - 0.02,
            -0.36,
            part,
            -0.44,
            -width + 0.02,
            -0.36,
            -w,
            low));
    b.line(Brush.mix(hair, 0xffffff, 0.25), 0.04, curve(-0.2, -0.62, 0, -0.7, 0.2, -0.6));
  }

  private void glasses() {
    b.part(ScenePart.GLASSES);
    int rim = random.nextBoolean() ? 0x1c1c1e : 0x7a3a2a;
    b.line(rim, 0.045, round(-0.28, -0.24, 0.24, 0.2, 0.07));
    b.line(rim, 0.045, round(0.04, -0.24, 0.24, 0.2, 0.07));
    b.line(rim, 0.04, open(-0.04, -0.16, 0.04, -0.16));
  }

  private void hat(double width) {
    b.part(ScenePart.HAT);
    int felt = Brush.mix(0x3a2a5a, 0x8a6a3a, random.nextDouble());
    b.fill(
        felt,
        blob(
            -width, -0.48, -width, -0.98, 0, -0.96, width, -0.98, width, -0.48, 0, -0.42, -width,
            -0.48));
    b.fill(Brush.mix(felt, 0, 0.3), oval(0, -0.48, width + 0.22, 0.09));
  }
}
