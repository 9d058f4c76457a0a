// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import org.jspecify.annotations.Nullable;

/** All of an image that a caption can name; the rest follows from the image's seed. */
public sealed interface Factors {

  /**
   * A word written in an image.
   *
   * @param text one of {@link WrittenWords#WRITTEN}
   * @param font row of {@link Lettering#FONTS}
   * @param ink its colour
   * @param onPlate whether it stands on a plate of a contrasting colour
   * @param x centre, share of the width
   * @param y centre, share of the height, from the top
   */
  record Written(String text, int font, Colour ink, boolean onPlate, double x, double y) {}

  /**
   * Objects before a background.
   *
   * @param count 1 to 3
   * @param occluded whether something stands before a part of them
   */
  record Things(
      ObjectKind kind,
      Colour colour,
      Texture texture,
      Extent extent,
      Location place,
      int count,
      Background background,
      boolean occluded,
      @Nullable Written written)
      implements Factors {

    /** The same with other writing, or none. */
    Things with(@Nullable Written other) {
      return new Things(kind, colour, texture, extent, place, count, background, occluded, other);
    }
  }

  /** The target of the portraits task. */
  public enum Gender implements Worded {
    WOMAN,
    MAN
  }

  /** Hair colours. */
  public enum Hair implements Worded {
    BLOND(0xf0d060),
    BROWN(0x6a4020),
    BLACK(0x1e1a1c),
    RED(0xb04a1c),
    GREY(0x9c9c9e);

    final int rgb;

    Hair(int rgb) {
      this.rgb = rgb;
    }
  }

  /** Hair lengths. */
  public enum Length implements Worded {
    SHORT,
    LONG
  }

  /** Clothes. */
  public enum Clothing implements Worded {
    SHIRT,
    SUIT,
    SWEATER,
    DRESS
  }

  /**
   * A portrait of one person.
   *
   * @param skin its tone, from 0, the lightest, to 1
   */
  record Portrait(
      Gender gender,
      double skin,
      Hair hair,
      Length length,
      boolean beard,
      boolean glasses,
      boolean hat,
      Clothing clothing,
      Colour cloth,
      Background background)
      implements Factors {}

  /** A bird of the parts set. */
  record SpeciesBird(Species species, Background background) implements Factors {}

  /**
   * One bird.
   *
   * @param waterbird kind of bird, by bill, neck and feet
   * @param colour of the body, whatever the kind
   * @param background WATER on water; GRASS or FOREST on land
   */
  record Bird(boolean waterbird, Colour colour, Background background) implements Factors {
    /** Whether it is on water. */
    public boolean onWater() {
      return background == Background.WATER;
    }

    /** The word for its kind. */
    public String word() {
      return waterbird ? "waterbird" : "landbird";
    }
  }
}
