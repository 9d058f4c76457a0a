// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import io.clipsteer.data.image.LabelMap;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.Paint;
import java.awt.RenderingHints;
import java.awt.Shape;
import java.awt.geom.AffineTransform;
import java.awt.image.BufferedImage;
import java.awt.image.DataBufferByte;
import java.awt.image.DataBufferInt;
import java.awt.image.IndexColorModel;

/**
 * What an image is drawn on, the unit square: with colours, or with the label of each pixel, which
 * are drawn with the same shapes, without smooth edges.
 */
final class Canvas {
  private final BufferedImage image;
  private final Graphics2D g;
  private final boolean labelled;
  private Color label = new Color(0);

  private Canvas(BufferedImage image, boolean labelled) {
    this.image = image;
    this.labelled = labelled;
    g = image.createGraphics();
    if (!labelled) {
      g.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
      g.setRenderingHint(
          RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BILINEAR);
    }
    g.setRenderingHint(RenderingHints.KEY_STROKE_CONTROL, RenderingHints.VALUE_STROKE_PURE);
    g.scale(image.getWidth(), image.getHeight());
  }

  static Canvas colours(int size) {
    return new Canvas(new BufferedImage(size, size, BufferedImage.TYPE_INT_RGB), false);
  }

  static Canvas labels(int size) {
    byte[] same = new byte[256];
    for (int i = 0; i < same.length; i++) same[i] = (byte) i;
    var greys = new IndexColorModel(8, same.length, same, same, same);
    var map = new BufferedImage(size, size, BufferedImage.TYPE_BYTE_INDEXED, greys);
    return new Canvas(map, true);
  }

  /** The label of what is drawn from now on, one of {@link SceneLabels}. */
  void label(int number) {
    label = new Color(number, number, number);
  }

  void fill(Paint paint, Shape shape) {
    g.setPaint(labelled ? label : paint);
    g.fill(shape);
  }

  /** Darkens what is below, and leaves its label. */
  void shade(Color translucent, Shape shape) {
    if (!labelled) fill(translucent, shape);
  }

  void line(Color colour, BasicStroke stroke, Shape shape) {
    g.setPaint(labelled ? label : colour);
    g.setStroke(stroke);
    g.draw(shape);
  }

  /**
   * Draws in a thing's coordinates from now on.
   *
   * @return the coordinates of before, for {@link #back}
   */
  AffineTransform enter(AffineTransform place) {
    AffineTransform before = g.getTransform();
    g.transform(place);
    return before;
  }

  void back(AffineTransform before) {
    g.setTransform(before);
  }

  void finish() {
    g.dispose();
  }

  /** The colours, 0xRRGGBB. */
  int[] pixels() {
    return ((DataBufferInt) image.getRaster().getDataBuffer()).getData();
  }

  LabelMap map() {
    byte[] labels = ((DataBufferByte) image.getRaster().getDataBuffer()).getData();
    return new LabelMap(image.getWidth(), image.getHeight(), labels);
  }
}
