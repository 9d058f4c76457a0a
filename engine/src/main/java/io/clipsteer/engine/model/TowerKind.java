// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

/** Which of CLIP's two towers. */
public enum TowerKind {
  VISION,
  TEXT
}
