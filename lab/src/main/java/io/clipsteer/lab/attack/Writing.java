// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.attack;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.world.Lettering;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.geom.AffineTransform;
import java.awt.geom.Path2D;
import java.awt.geom.Rectangle2D;
import java.awt.image.BufferedImage;
import java.util.List;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The style and position of a word on an image.
 *
 * @param font row of {@link Lettering#FONTS}
 * @param ink colour of the letters, 0xRRGGBB
 * @param edge colour of the stroke around the letters
 * @param stroke the stroke's width, share of the letters' height
 * @param size height of the letters, share of the image's shorter side
 * @param x centre, share of the width
 * @param y centre, share of the height, from the top
 * @param angle in radians, clockwise
 */
public record Writing(
    int font, int ink, int edge, double stroke, double size, double x, double y, double angle) {
  /**
   * Fonts and positions that are used together, so that others are held out for testing. Letters
   * that fit into a third of the image stay off its middle: a word there hides the object, and no
   * edit restores what is hidden.
   */
  public enum FontKind {
    /** The fonts of generated sets, in the upper third of the image. */
    TRAIN,
    /** Held-out fonts, in the lower third. */
    HELD_OUT;

    @Override
    public String toString() {
      return this == TRAIN ? "train" : "held-out";
    }
  }

  /** Colours of ink and stroke, alternately dark and light. */
  private static final List<Integer> INKS =
      List.of(
          0x101010, 0xfafafa, 0xc01818, 0xffe14d, 0x1238a8, 0xffb3c6, 0x0c6b2b, 0x8ff0ff, 0x5c1a75,
          0xffffff);

  /** Largest share of the image's width and height for a word. */
  private static final double ROOM = 0.94;

  /**
   * Height of the letters, from the lowest to the highest point of any, as shares of the image's
   * shorter side.
   */
  public record Letters(double low, double high) {
    public Letters {
      if (!(low >= 0.01 && low < high && high <= 1)) {
        throw new InputException(
            "--letters " + low + "-" + high,
            "no range",
            "Use 0.12-0.3, shares of the shorter side");
      }
    }

    /** Reads {@code 0.12-0.3}. */
    public static Letters parse(String text) {
      Matcher range = Pattern.compile("(\\d?\\.?\\d{1,6})-(\\d?\\.?\\d{1,6})").matcher(text);
      if (!range.matches()) {
        throw new InputException(
            "--letters " + text, "no range", "Use 0.12-0.3, shares of the shorter side");
      }
      return new Letters(Double.parseDouble(range.group(1)), Double.parseDouble(range.group(2)));
    }
  }

  /** A random one. */
  static Writing sample(FontKind kind, Letters letters, SplittableRandom random) {
    boolean train = kind == FontKind.TRAIN;
    int font =
        train
            ? random.nextInt(Lettering.TRAINING)
            : random.nextInt(Lettering.TRAINING, Lettering.FONTS.size());
    int ink = random.nextInt(INKS.size());
    int edge = (ink + 1 + 2 * random.nextInt(INKS.size() / 2)) % INKS.size();
    double third = random.nextDouble() / 3;
    return new Writing(
        font,
        INKS.get(ink),
        INKS.get(edge),
        random.nextDouble(0.06, 0.16),
        random.nextDouble(letters.low(), letters.high()),
        random.nextDouble(0.2, 0.8),
        train ? third : 2.0 / 3 + third,
        random.nextDouble(-0.35, 0.35));
  }

  /** The image with the word on it; a word that is too wide is scaled down to fit. */
  RgbImage on(RgbImage canvas, String word) {
    int w = canvas.width();
    int h = canvas.height();
    BufferedImage image = canvas.buffered();
    Graphics2D g = image.createGraphics();
    try {
      g.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
      g.setRenderingHint(RenderingHints.KEY_STROKE_CONTROL, RenderingHints.VALUE_STROKE_PURE);
      Path2D outline = placed(word, w, h);
      g.setColor(new Color(edge));
      float wide = (float) (stroke * size * Math.min(w, h));
      g.setStroke(new BasicStroke(wide, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND));
      g.draw(outline);
      g.setColor(new Color(ink));
      g.fill(outline);
    } finally {
      g.dispose();
    }
    int[] packed = image.getRGB(0, 0, w, h, null, 0, w);
    byte[] written = new byte[3 * w * h];
    for (int i = 0; i < packed.length; i++) {
      written[3 * i] = (byte) (packed[i] >> 16);
      written[3 * i + 1] = (byte) (packed[i] >> 8);
      written[3 * i + 2] = (byte) packed[i];
    }
    return new RgbImage(w, h, written);
  }

  private Path2D placed(String word, int w, int h) {
    Path2D outline = (Path2D) Lettering.outline(word, font).clone();
    if (outline.getBounds2D().isEmpty()) {
      throw new InputException(
          "\"" + word + "\"", "the fonts have no letters for it", "Use another word");
    }
    // The same sines on every machine.
    double cos = StrictMath.cos(angle);
    double sin = StrictMath.sin(angle);
    outline.transform(new AffineTransform(cos, sin, -sin, cos, 0, 0));
    Rectangle2D bounds = outline.getBounds2D();
    double scale = size * Math.min(w, h);
    scale = Math.min(scale, ROOM * w / bounds.getWidth());
    scale = Math.min(scale, ROOM * h / bounds.getHeight());
    double halfWidth = scale * bounds.getWidth() / 2;
    double halfHeight = scale * bounds.getHeight() / 2;
    double cx = Math.clamp(x * w, halfWidth, Math.max(halfWidth, w - halfWidth));
    // Inside its third where it fits, else against the image's edge.
    double from = y > 0.5 ? Math.min(2 * h / 3.0, h - 2 * halfHeight) : 0;
    double to = y > 0.5 ? h : Math.max(h / 3.0, 2 * halfHeight);
    double cy = Math.clamp(y * h, from + halfHeight, Math.max(from + halfHeight, to - halfHeight));
    AffineTransform place =
        new AffineTransform(
            scale, 0, 0, scale, cx - scale * bounds.getCenterX(), cy - scale * bounds.getCenterY());
    outline.transform(place);
    return outline;
  }
}
