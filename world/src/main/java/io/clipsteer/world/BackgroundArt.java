// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import java.awt.geom.Path2D;
import java.util.SplittableRandom;

/** How backgrounds look. Coordinates are shares of the image: 0 to 1, y downwards. */
final class BackgroundArt {
  private final Brush brush;
  private final SplittableRandom random;

  private BackgroundArt(Canvas canvas, SplittableRandom random) {
    this.brush = new Brush(canvas, 0);
    this.random = random;
  }

  static void paint(Canvas canvas, Background background, SplittableRandom random) {
    canvas.label(SceneLabels.of(background));
    BackgroundArt art = new BackgroundArt(canvas, random);
    switch (background) {
      case WATER -> art.water();
      case GRASS -> art.grass();
      case SAND -> art.sand();
      case SNOW -> art.snow();
      case BRICK -> art.brick();
      case NIGHT -> art.night();
      case ROAD -> art.road();
      case FOREST -> art.forest();
      case WOOD -> art.wood();
      case SKY -> art.sky();
    }
  }

  private double between(double low, double high) {
    return low + (high - low) * random.nextDouble();
  }

  /** One of two colours' mixtures. */
  private int tone(int a, int b) {
    return Brush.mix(a, b, random.nextDouble());
  }

  /** Horizontal bands from one colour to another. */
  private void bands(int top, int bottom) {
    for (int i = 0; i < 8; i++) {
      brush.fill(Brush.mix(top, bottom, i / 7.0), Brush.box(0, i / 8.0, 1, 0.13));
    }
  }

  private void water() {
    bands(tone(0x2a6fa8, 0x3f9fb8), tone(0x0f3f6e, 0x1a6a86));
    Path2D waves = new Path2D.Double();
    int rows = 6 + random.nextInt(4);
    for (int row = 0; row < rows; row++) {
      double y = (row + between(0.2, 0.8)) / rows;
      double x = between(-0.3, 0);
      double step = between(0.1, 0.18);
      while (x < 1) {
        waves.moveTo(x, y);
        waves.quadTo(x + step / 2, y - between(0.02, 0.05), x + step, y);
        x += step * between(1.1, 1.8);
      }
    }
    brush.line(tone(0x9fd8e8, 0xd8f2f6), 0.013, waves);
  }

  private void grass() {
    bands(tone(0x4f9a3a, 0x6fae45), tone(0x2f7a2c, 0x3f8a34));
    blades(tone(0x7fc050, 0x9ccf5a));
    blades(tone(0x23641f, 0x2f7526));
  }

  private void blades(int rgb) {
    Path2D all = new Path2D.Double();
    for (int i = 0; i < 34; i++) {
      double x = random.nextDouble();
      double y = between(0, 1.05);
      double lean = between(-0.04, 0.04);
      all.append(Brush.poly(x - 0.012, y, x + lean, y - between(0.06, 0.13), x + 0.012, y), false);
    }
    brush.fill(rgb, all);
  }

  private void sand() {
    bands(tone(0xe6d09a, 0xefdcae), tone(0xcdb074, 0xdcc48c));
    specks(tone(0x9c8350, 0xb0955e), 46, 0.008, 0.014);
    Path2D ripples = new Path2D.Double();
    for (int i = 0; i < 4; i++) {
      double y = (i + random.nextDouble()) / 4;
      ripples.append(Brush.curve(0, y, 0.25, y - 0.07, 0.5, y, 0.75, y + 0.07, 1, y + 0.01), false);
    }
    brush.line(tone(0xb89c62, 0xc4aa70), 0.018, ripples);
  }

  private void specks(int rgb, int count, double low, double high) {
    Path2D all = new Path2D.Double();
    for (int i = 0; i < count; i++) {
      double r = between(low, high);
      all.append(Brush.oval(random.nextDouble(), random.nextDouble(), r, r), false);
    }
    brush.fill(rgb, all);
  }

  private void snow() {
    bands(tone(0xdfe9f4, 0xeef4fa), tone(0xf4f8fc, 0xffffff));
    for (int i = 0; i < 3; i++) {
      double y = 0.35 + 0.25 * i + between(-0.06, 0.06);
      double x = random.nextDouble();
      brush.fill(
          tone(0xd2dfee, 0xe4edf7), Brush.oval(x, y + 0.28, between(0.5, 0.8), between(0.2, 0.3)));
    }
    specks(0xffffff, 26, 0.012, 0.025);
    specks(tone(0xb8cbe2, 0xc8d8ea), 12, 0.008, 0.014);
  }

  private void brick() {
    brush.fill(tone(0xbdb2a4, 0xd2c8ba), Brush.box(0, 0, 1, 1));
    int rows = 7 + random.nextInt(3);
    double h = 1.0 / rows;
    double w = h * between(1.9, 2.3);
    int base = tone(0x8f3f2c, 0xb0553a);
    Path2D light = new Path2D.Double();
    Path2D dark = new Path2D.Double();
    for (int row = 0; row < rows; row++) {
      for (double x = -w * ((row % 2) * 0.5 + 0.1); x < 1; x += w) {
        (random.nextBoolean() ? light : dark)
            .append(Brush.box(x, row * h + 0.012, w - 0.022, h - 0.022), false);
      }
    }
    brush.fill(Brush.mix(base, 0xd08060, 0.25), light);
    brush.fill(Brush.mix(base, 0x401810, 0.2), dark);
  }

  private void night() {
    bands(tone(0x050818, 0x0c1230), tone(0x101840, 0x1c2450));
    specks(0xf4f2d8, 22, 0.006, 0.014);
    double x = between(0.1, 0.9);
    double y = between(0.06, 0.25);
    double r = between(0.06, 0.1);
    brush.fill(0xf6efc4, Brush.oval(x, y, r, r));
    if (random.nextBoolean()) brush.fill(0x080c22, Brush.oval(x + r * 0.5, y, r * 0.9, r * 0.9));
  }

  private void road() {
    bands(tone(0x5a5c60, 0x6a6c70), tone(0x3e4044, 0x4c4e52));
    specks(tone(0x77797d, 0x85878b), 24, 0.006, 0.01);
    int paint = random.nextInt(3) == 0 ? 0xe8c830 : 0xe8e8e4;
    double x = between(0.25, 0.75);
    double w = between(0.02, 0.035);
    Path2D dashes = new Path2D.Double();
    for (double y = between(-0.15, 0); y < 1; y += 0.3) {
      dashes.append(
          Brush.poly(x - w, y, x + w, y, x + w * 1.2, y + 0.17, x - w * 1.2, y + 0.17), false);
    }
    brush.fill(paint, dashes);
    brush.fill(0xe0e0dc, Brush.poly(0.03, 0, 0.07, 0, 0.04, 1, -0.02, 1));
    brush.fill(0xe0e0dc, Brush.poly(0.93, 0, 0.97, 0, 1.02, 1, 0.96, 1));
  }

  private void forest() {
    bands(tone(0x1f4a26, 0x2c5a2e), tone(0x16301a, 0x24401f));
    specks(tone(0x3f7a3a, 0x548c44), 22, 0.04, 0.08);
    Path2D trunks = new Path2D.Double();
    int count = 4 + random.nextInt(3);
    for (int i = 0; i < count; i++) {
      double x = (i + between(0.1, 0.9)) / count;
      double w = between(0.025, 0.05);
      trunks.append(Brush.poly(x - w * 0.8, 0, x + w * 0.8, 0, x + w, 1, x - w, 1), false);
    }
    brush.fill(tone(0x4a3220, 0x6a4a30), trunks);
    specks(tone(0x2c6a30, 0x3a7a38), 14, 0.04, 0.07);
  }

  private void wood() {
    int base = tone(0xa87848, 0xc09060);
    brush.fill(base, Brush.box(0, 0, 1, 1));
    int planks = 4 + random.nextInt(3);
    Path2D gaps = new Path2D.Double();
    Path2D grain = new Path2D.Double();
    for (int i = 0; i < planks; i++) {
      double y = (double) i / planks;
      gaps.append(Brush.box(0, y - 0.009, 1, 0.018), false);
      double x = random.nextDouble();
      gaps.append(Brush.box(x, y, 0.014, 1.0 / planks), false);
      double middle = y + between(0.3, 0.7) / planks;
      grain.append(Brush.curve(0, middle, 0.5, middle + between(-0.06, 0.06), 1, middle), false);
    }
    brush.line(Brush.mix(base, 0x7a5028, 0.5), 0.012, grain);
    brush.fill(Brush.mix(base, 0x3a2410, 0.7), gaps);
  }

  private void sky() {
    bands(tone(0x4f9ce8, 0x6cb2f0), tone(0xa8d2f6, 0xc4e2fa));
    for (int i = 0; i < 3; i++) {
      double x = random.nextDouble();
      double y = random.nextDouble();
      Path2D cloud = new Path2D.Double(Path2D.WIND_NON_ZERO);
      for (int puff = 0; puff < 4; puff++) {
        double r = between(0.05, 0.1);
        cloud.append(
            Brush.oval(x + 0.07 * puff - 0.1, y + between(-0.02, 0.03), r, r * 0.75), false);
      }
      brush.fill(0xf8fbff, cloud);
    }
  }
}
