// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

/** What a portrait's captions name. */
public final class Person {
  /** The target of the portraits task. */
  public enum Gender {
    WOMAN,
    MAN;

    /** The word. */
    public String word() {
      return WrittenWords.of(this);
    }
  }

  /** Hair colours. */
  public enum Hair {
    BLOND(0xf0d060),
    BROWN(0x6a4020),
    BLACK(0x1e1a1c),
    RED(0xb04a1c),
    GREY(0x9c9c9e);

    private final int rgb;

    Hair(int rgb) {
      this.rgb = rgb;
    }

    int rgb() {
      return rgb;
    }

    /** The word. */
    public String word() {
      return WrittenWords.of(this);
    }
  }

  /** Hair lengths. */
  public enum Length {
    SHORT,
    LONG;

    /** The word. */
    public String word() {
      return WrittenWords.of(this);
    }
  }

  /** Clothes. */
  public enum Clothing {
    SHIRT,
    SUIT,
    SWEATER,
    DRESS;

    /** The word. */
    public String word() {
      return WrittenWords.of(this);
    }
  }

  private Person() {}
}
