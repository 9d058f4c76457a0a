// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import io.clipsteer.data.image.LabelMap;
import io.clipsteer.data.image.RgbImage;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Paint;
import java.awt.TexturePaint;
import java.awt.geom.AffineTransform;
import java.awt.geom.Path2D;
import java.awt.geom.Rectangle2D;
import java.awt.image.BufferedImage;
import java.util.SplittableRandom;

/** Draws an image from its factors; what they leave open follows from a seed. */
public final class Painter {
  private static final int[] DISTRACTORS = {0x6b7a4a, 0x8a7a6a, 0x4a5a6a, 0xa89878, 0x3a4a3a};

  private final Canvas canvas;
  private final SplittableRandom random;

  private Painter(Canvas canvas, SplittableRandom random) {
    this.canvas = canvas;
    this.random = random;
  }

  /**
   * Draws; the same arguments give the same bytes on every machine.
   *
   * @param seed of everything the factors leave open
   * @param size pixels on a side
   */
  public static RgbImage paint(Factors factors, long seed, int size) {
    Painter painter = new Painter(Canvas.colours(size), new SplittableRandom(seed));
    painter.draw(factors);
    return new RgbImage(size, size, painter.camera(painter.canvas.pixels(), size));
  }

  /** What each pixel of the same image is: a number of {@link SceneLabels}. */
  static LabelMap labels(Factors factors, long seed, int size) {
    Painter painter = new Painter(Canvas.labels(size), new SplittableRandom(seed));
    painter.draw(factors);
    return painter.canvas.map();
  }

  private void draw(Factors factors) {
    switch (factors) {
      case Factors.Things things -> things(things);
      case Factors.Portrait portrait -> portrait(portrait);
      case Factors.Bird bird -> bird(bird);
      case Factors.SpeciesBird bird -> bird(bird);
    }
    canvas.finish();
  }

  /**
   * What a camera adds: a lamp from one side, a tint, and noise.
   *
   * @param pixels size·size numbers 0xRRGGBB
   * @return red, green, blue, red, …
   */
  private byte[] camera(int[] pixels, int size) {
    double level = 0.84 + 0.26 * random.nextDouble();
    double towardsX = 0.3 * (random.nextDouble() - 0.5);
    double towardsY = 0.3 * (random.nextDouble() - 0.5);
    double[] tint = new double[3];
    for (int c = 0; c < 3; c++) tint[c] = 0.95 + 0.1 * random.nextDouble();
    int noise = 2 + random.nextInt(9);
    byte[] out = new byte[3 * pixels.length];
    for (int y = 0, at = 0; y < size; y++) {
      double row = level + towardsY * ((double) y / size - 0.5);
      for (int x = 0; x < size; x++, at++) {
        double gain = row + towardsX * ((double) x / size - 0.5);
        long bits = random.nextLong();
        int rgb = pixels[at];
        for (int c = 0; c < 3; c++) {
          // The sum of two bytes is a triangle, near enough to a camera's noise.
          int grain = (int) (bits & 255) + (int) ((bits >> 8) & 255) - 255;
          bits >>= 16;
          double value = ((rgb >> (16 - 8 * c)) & 255) * gain * tint[c] + grain * noise / 128.0;
          out[3 * at + c] = (byte) Math.clamp(Math.round(value), 0, 255);
        }
      }
    }
    return out;
  }

  private double between(double low, double high) {
    return low + (high - low) * random.nextDouble();
  }

  /** A named colour as it may be: never far from the pure one. */
  private int near(Colour colour) {
    int target = random.nextInt(1 << 24);
    return Brush.mix(colour.rgb, target, 0.1 * random.nextDouble());
  }

  // ---- things ---------------------------------------------------------------------------------

  private void things(Factors.Things t) {
    BackgroundArt.paint(canvas, t.background(), random);
    int rgb = near(t.colour());
    double half = t.extent().half(random.nextDouble());
    if (t.count() == 1) {
      double x = clampInside(t.place().centre.getX() + between(-0.05, 0.05), half);
      double y = clampInside(t.place().centre.getY() + between(-0.05, 0.05), half);
      thing(t, rgb, x, y, half);
    } else {
      double share = t.count() == 2 ? 0.8 : 0.66;
      for (int i = 0; i < t.count(); i++) {
        double x = (i + 0.5) / t.count() + between(-0.03, 0.03);
        double y = 0.52 + (t.count() == 3 ? (i % 2 == 0 ? 0.14 : -0.16) : 0) + between(-0.05, 0.05);
        thing(t, rgb, x, y, Math.min(half * share, 0.28));
      }
    }
    if (t.occluded()) occluder(t.place().centre.getX(), t.place().centre.getY());
    if (t.written() != null) word(t.written());
  }

  private static double clampInside(double at, double half) {
    double margin = Math.min(0.5, half * 0.92);
    return Math.clamp(at, margin, 1 - margin);
  }

  private void thing(Factors.Things t, int rgb, double x, double y, double half) {
    shadow(x, y + half * 0.95, half);
    double mirror = random.nextBoolean() ? 1 : -1;
    AffineTransform before =
        canvas.enter(
            Brush.place(
                x,
                y,
                between(-0.2, 0.2),
                mirror * half * between(0.9, 1.06),
                half * between(0.9, 1.06)));
    canvas.label(SceneLabels.of(t.kind()));
    Brush brush = new Brush(canvas, rgb);
    brush.bodyPaint(paintOf(t.texture(), rgb));
    t.kind().draw(brush);
    canvas.back(before);
  }

  private void shadow(double x, double y, double half) {
    canvas.shade(new Color(0, 0, 0, 46), Brush.oval(x, y, half * 0.85, half * 0.2));
  }

  /** A pattern of 8×8 pixels, laid over the thing's own coordinates. */
  private static Paint paintOf(Texture texture, int rgb) {
    if (texture == Texture.PLAIN) return new Color(rgb);
    int bright = ((rgb >> 16) & 255) + ((rgb >> 8) & 255) + (rgb & 255);
    int other = Brush.mix(rgb, bright > 300 ? 0x000000 : 0xffffff, bright > 300 ? 0.5 : 0.55);
    BufferedImage tile = new BufferedImage(8, 8, BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < 8; y++) {
      for (int x = 0; x < 8; x++) {
        boolean marked =
            switch (texture) {
              case PLAIN -> false;
              case STRIPED -> y < 3;
              case DOTTED -> (x - 3.5) * (x - 3.5) + (y - 3.5) * (y - 3.5) < 6.5;
              case CHECKERED -> x < 4 == y < 4;
            };
        tile.setRGB(x, y, marked ? other : rgb);
      }
    }
    double extent = texture == Texture.CHECKERED ? 0.66 : 0.48;
    return new TexturePaint(tile, new Rectangle2D.Double(0, 0, extent, extent));
  }

  /** A leaf or pole in front of a part of the thing. */
  private void occluder(double x, double y) {
    Color colour = new Color(DISTRACTORS[random.nextInt(DISTRACTORS.length)]);
    double away = random.nextBoolean() ? 0.2 : -0.2;
    AffineTransform before =
        canvas.enter(
            Brush.place(
                x + away, y + between(-0.1, 0.2), between(-0.6, 0.6), 0.05, between(0.2, 0.4)));
    canvas.label(SceneLabels.of(ScenePart.CLUTTER));
    canvas.fill(
        colour, random.nextBoolean() ? Brush.oval(0, 0, 1, 1) : Brush.box(-0.7, -1, 1.4, 2));
    canvas.back(before);
  }

  // ---- words ----------------------------------------------------------------------------------

  private void word(Factors.Written w) {
    Path2D outline = Lettering.outline(w.text(), w.font());
    Rectangle2D bounds = outline.getBounds2D();
    // As large as the image allows: letters of 64-pixel images are small enough.
    double scale = Math.min(0.94 * between(0.9, 1) / bounds.getWidth(), between(0.34, 0.4));
    double halfWidth = bounds.getWidth() * scale / 2;
    double x = Math.clamp(w.x(), Math.min(0.5, halfWidth + 0.03), Math.max(0.5, 0.97 - halfWidth));
    AffineTransform before =
        canvas.enter(Brush.place(x, w.y(), between(-0.04, 0.04), scale, scale));
    canvas.label(SceneLabels.of(ScenePart.WRITING));
    int ink = near(w.ink());
    int contrast = contrast(ink);
    if (w.onPlate()) {
      double padX = 0.08;
      double padY = 0.12;
      canvas.fill(
          new Color(Brush.mix(contrast, near(w.ink()), 0.06)),
          Brush.round(
              bounds.getMinX() - padX,
              bounds.getMinY() - padY,
              bounds.getWidth() + 2 * padX,
              bounds.getHeight() + 2 * padY,
              0.08));
    } else {
      var edge = new BasicStroke(0.16f, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND);
      canvas.line(new Color(contrast), edge, outline);
    }
    canvas.fill(new Color(ink), outline);
    canvas.back(before);
  }

  private static int contrast(int rgb) {
    int bright = 3 * ((rgb >> 16) & 255) + 6 * ((rgb >> 8) & 255) + (rgb & 255);
    return bright > 1200 ? 0x141414 : 0xf8f8f6;
  }

  // ---- portraits and birds --------------------------------------------------------------------

  private void portrait(Factors.Portrait p) {
    BackgroundArt.paint(canvas, p.background(), random);
    double half = between(0.46, 0.56);
    canvas.enter(
        Brush.place(
            0.5 + between(-0.06, 0.06),
            0.53 + between(-0.04, 0.04),
            between(-0.09, 0.09),
            (random.nextBoolean() ? 1 : -1) * half,
            half));
    PortraitArt.paint(new Brush(canvas, near(p.cloth())), p, random);
  }

  private void bird(Factors.Bird bird) {
    BackgroundArt.paint(canvas, bird.background(), random);
    double half = between(0.25, 0.36);
    double x = between(0.36, 0.64);
    double y = between(0.45, 0.6);
    shadow(x, y + half * 0.85, half);
    canvas.enter(
        Brush.place(x, y, between(-0.12, 0.12), (random.nextBoolean() ? 1 : -1) * half, half));
    BirdArt.paint(new Brush(canvas, near(bird.colour())), bird.waterbird(), random);
  }

  /** Larger than other birds, so that its parts can be seen. */
  private void bird(Factors.SpeciesBird bird) {
    BackgroundArt.paint(canvas, bird.background(), random);
    double half = between(0.36, 0.44);
    double x = between(0.44, 0.56);
    double y = between(0.5, 0.58);
    shadow(x, y + half * 0.85, half);
    canvas.enter(
        Brush.place(x, y, between(-0.12, 0.12), (random.nextBoolean() ? 1 : -1) * half, half));
    BirdArt.paint(new Brush(canvas, near(bird.species().body())), bird.species(), random);
  }
}
