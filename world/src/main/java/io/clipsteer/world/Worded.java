// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

/** A constant that captions name by its own name. */
interface Worded {
  /** Of the constant. */
  String name();

  /** The word. */
  default String word() {
    return WrittenWords.of(name());
  }
}
