// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

/** Colours that a caption names. */
public enum Colour implements Worded {
  RED(0xcf2222),
  ORANGE(0xf5851a),
  YELLOW(0xf6dc24),
  GREEN(0x2b9a3a),
  BLUE(0x2450d8),
  PURPLE(0x7d2fb4),
  PINK(0xf58fc0),
  BROWN(0x7a4a22),
  BLACK(0x1c1c20),
  WHITE(0xf4f4f2);

  /** The pure colour, as 0xRRGGBB. */
  final int rgb;

  Colour(int rgb) {
    this.rgb = rgb;
  }
}
