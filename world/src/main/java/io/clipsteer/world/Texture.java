// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

/** Patterns on an object's main part. */
public enum Texture implements Worded {
  PLAIN,
  STRIPED,
  DOTTED,
  CHECKERED
}
