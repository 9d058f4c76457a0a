// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.probe;

import java.util.Locale;

/** What a linear head reads of an image; tokens are taken after the tower's final norm. */
public enum HeadInput {
  /** The class token. */
  CLS,
  /** The mean of the patches. */
  MEAN,
  /** The tower's unit embedding, after pooling and projection. */
  EMBEDDING,
  /** Every patch by itself. */
  PATCHES;

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
