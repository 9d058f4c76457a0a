// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import java.util.Locale;

/** Which of CLIP's two towers. */
public enum TowerKind {
  VISION,
  TEXT;

  /** In a sentence. */
  String word() {
    return name().toLowerCase(Locale.ROOT);
  }
}
