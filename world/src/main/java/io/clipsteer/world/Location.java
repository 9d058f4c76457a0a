// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

/** Location of a single object in the image. */
public enum Location {
  LEFT("on the left", 0.33, 0.53),
  MIDDLE("in the middle", 0.5, 0.52),
  RIGHT("on the right", 0.67, 0.53),
  TOP("at the top", 0.5, 0.36),
  BOTTOM("at the bottom", 0.5, 0.68);

  private final String phrase;
  private final double x;
  private final double y;

  Location(String phrase, double x, double y) {
    this.phrase = phrase;
    this.x = x;
    this.y = y;
  }

  /** Phrase in a caption. */
  public String phrase() {
    return phrase;
  }

  /** Centre, as a share of the image's width. */
  double x() {
    return x;
  }

  /** Centre, as a share of the image's height, from the top. */
  double y() {
    return y;
  }
}
