// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import java.util.function.Consumer;

/** Everyday things, each with its drawing. */
public enum ObjectKind implements Worded {
  APPLE(ObjectArt::apple),
  BANANA(ObjectArt::banana),
  MUG(ObjectArt::mug),
  BOTTLE(ObjectArt::bottle),
  CAR(ObjectArt::car),
  BUS(ObjectArt::bus),
  BOAT(ObjectArt::boat),
  PLANE(ObjectArt::plane),
  HOUSE(ObjectArt::house),
  CHAIR(ObjectArt::chair),
  LAMP(ObjectArt::lamp),
  CLOCK(ObjectArt::clock),
  BOOK(ObjectArt::book),
  KEY(ObjectArt::key),
  HAMMER(ObjectArt::hammer),
  UMBRELLA(ObjectArt::umbrella),
  SHOE(ObjectArt::shoe),
  SHIRT(ObjectArt::shirt),
  BALL(ObjectArt::ball),
  KITE(ObjectArt::kite),
  GUITAR(ObjectArt::guitar),
  FISH(ObjectArt::fish),
  CAT(ObjectArt::cat),
  DOG(ObjectArt::dog),
  CROWN(ObjectArt::crown),
  PHONE(ObjectArt::phone);

  private final Consumer<Brush> drawing;

  ObjectKind(Consumer<Brush> drawing) {
    this.drawing = drawing;
  }

  void draw(Brush brush) {
    drawing.accept(brush);
  }

  /** With its article. */
  public String phrase() {
    return ("aeiou".indexOf(word().charAt(0)) >= 0 ? "an " : "a ") + word();
  }

  /** More than one. */
  public String plural() {
    return switch (this) {
      case BUS -> "buses";
      case FISH -> "fish";
      default -> word() + "s";
    };
  }
}
