// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Paint;
import java.awt.Shape;
import java.awt.geom.AffineTransform;
import java.awt.geom.Ellipse2D;
import java.awt.geom.Path2D;
import java.awt.geom.Rectangle2D;
import java.awt.geom.RoundRectangle2D;

/**
 * Draws in the coordinates of one thing: its middle is 0, it reaches from −1 to 1, y grows
 * downwards. The main part takes {@link #body} paint, the rest shades of it or colours of its own.
 */
final class Brush {
  private static final float OUTLINE = 0.05f;

  private final Canvas canvas;
  private final int main;
  private Paint body;

  Brush(Canvas canvas, int main) {
    this.canvas = canvas;
    this.main = main;
    this.body = new Color(main);
  }

  /** The part that is drawn from now on. */
  Brush part(ScenePart part) {
    canvas.label(SceneLabels.of(part));
    return this;
  }

  /** What {@link #body} fills with from now on. */
  void bodyPaint(Paint paint) {
    body = paint;
  }

  /** A rotation and scaling whose sines are the same on every machine. */
  static AffineTransform place(double x, double y, double angle, double sx, double sy) {
    double cos = StrictMath.cos(angle);
    double sin = StrictMath.sin(angle);
    return new AffineTransform(cos * sx, sin * sx, -sin * sy, cos * sy, x, y);
  }

  /** The main part: filled with the body's paint, with a darker edge; a dark one with a lighter. */
  Brush body(Shape shape) {
    canvas.fill(body, shape);
    int edge = isDark(main) ? mix(main, 0xb0b0b8, 0.4) : mix(main, 0x101010, 0.45);
    canvas.line(new Color(edge), new BasicStroke(OUTLINE), shape);
    return this;
  }

  private static boolean isDark(int rgb) {
    return ((rgb >> 16) & 255) + ((rgb >> 8) & 255) + (rgb & 255) < 150;
  }

  /** Filled with one colour. */
  Brush fill(int rgb, Shape shape) {
    canvas.fill(new Color(rgb), shape);
    return this;
  }

  /** Filled with the main colour, darker (below 0) or lighter (above 0). */
  Brush shade(double amount, Shape shape) {
    return fill(tone(amount), shape);
  }

  /** The main colour, darker (below 0) or lighter (above 0); at ±1 black or white. */
  int tone(double amount) {
    return amount < 0 ? mix(main, 0x0c0c10, -amount) : mix(main, 0xffffff, amount);
  }

  /** A stroke along a shape. */
  Brush line(int rgb, double width, Shape shape) {
    var round = new BasicStroke((float) width, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND);
    canvas.line(new Color(rgb), round, shape);
    return this;
  }

  static Shape oval(double x, double y, double rx, double ry) {
    return new Ellipse2D.Double(x - rx, y - ry, 2 * rx, 2 * ry);
  }

  static Shape box(double x, double y, double w, double h) {
    return new Rectangle2D.Double(x, y, w, h);
  }

  static Shape round(double x, double y, double w, double h, double r) {
    return new RoundRectangle2D.Double(x, y, w, h, 2 * r, 2 * r);
  }

  /** A closed polygon through the points x0, y0, x1, y1, … */
  static Path2D poly(double... xy) {
    Path2D path = open(xy);
    path.closePath();
    return path;
  }

  /** An open line through the points x0, y0, x1, y1, … */
  static Path2D open(double... xy) {
    Path2D path = new Path2D.Double();
    path.moveTo(xy[0], xy[1]);
    for (int i = 2; i < xy.length; i += 2) path.lineTo(xy[i], xy[i + 1]);
    return path;
  }

  /** A smooth open line: start, then pairs of control point and point. */
  static Path2D curve(double... xy) {
    Path2D path = new Path2D.Double();
    path.moveTo(xy[0], xy[1]);
    for (int i = 2; i < xy.length; i += 4) {
      path.quadTo(xy[i], xy[i + 1], xy[i + 2], xy[i + 3]);
    }
    return path;
  }

  /** A smooth closed shape: start, then pairs of control point and point. */
  static Path2D blob(double... xy) {
    Path2D path = curve(xy);
    path.closePath();
    return path;
  }

  /** {@code share} of {@code b} in {@code a}, channel by channel. */
  static int mix(int a, int b, double share) {
    int out = 0;
    for (int shift = 16; shift >= 0; shift -= 8) {
      int x = (a >> shift) & 255;
      int y = (b >> shift) & 255;
      out |= (int) Math.round(x + (y - x) * share) << shift;
    }
    return out;
  }
}
