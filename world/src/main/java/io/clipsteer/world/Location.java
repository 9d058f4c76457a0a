// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import java.awt.geom.Point2D;

/** Location of a single object in the image. */
public enum Location {
  LEFT("on the left", 0.33, 0.53),
  MIDDLE("in the middle", 0.5, 0.52),
  RIGHT("on the right", 0.67, 0.53),
  TOP("at the top", 0.5, 0.36),
  BOTTOM("at the bottom", 0.5, 0.68);

  /** Phrase in a caption. */
  final String phrase;

  /** Centre, as shares of the image's width and height, from the left and the top. */
  final Point2D centre;

  Location(String phrase, double x, double y) {
    this.phrase = phrase;
    this.centre = new Point2D.Double(x, y);
  }
}
