// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

/** Background of an image. */
public enum Background {
  WATER("water", "on water", "in the water"),
  GRASS("grass", "on grass", "on green grass"),
  SAND("sand", "on sand", "on the sand"),
  SNOW("snow", "in the snow", "on snow"),
  BRICK("bricks", "in front of a brick wall", "by a brick wall"),
  NIGHT("night", "under the night sky", "at night"),
  ROAD("road", "on the road", "on a road"),
  FOREST("forest", "in a forest", "in the forest"),
  WOOD("planks", "on wooden planks", "on planks"),
  SKY("sky", "in the blue sky", "in the sky");

  final String word;

  /** An alternative phrase. */
  final String other;

  private final String phrase;

  Background(String word, String phrase, String other) {
    this.word = word;
    this.phrase = phrase;
    this.other = other;
  }

  /** Phrase in a caption, after the object. */
  public String phrase() {
    return phrase;
  }
}
