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

  /**
   * A portrait of one person.
   *
   * @param skin its tone, from 0, the lightest, to 1
   */
  record Portrait(
      Person.Gender gender,
      double skin,
      Person.Hair hair,
      Person.Length length,
      boolean beard,
      boolean glasses,
      boolean hat,
      Person.Clothing clothing,
      Colour cloth,
      Background background)
      implements Factors {}

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
