// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

/** Patterns on an object's main part. */
public enum Texture {
  PLAIN,
  STRIPED,
  DOTTED,
  CHECKERED;

  /** The word. */
  public String word() {
    return WrittenWords.of(this);
  }
}
