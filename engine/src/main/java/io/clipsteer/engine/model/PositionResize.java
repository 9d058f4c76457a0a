// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

/** What a tower does with an image of another size than it was trained for. */
public enum PositionResize {
  /** Refuses it, as CLIP. */
  NONE,
  /** Interpolates positions, bicubic with a = −0.75 (DINOv2). */
  BICUBIC,
  /** Interpolates positions, bicubic with a = −0.5 and antialiasing (DINOv2 with registers). */
  BICUBIC_ANTIALIASED,
  /** Has rotary positions alone, which it computes for any square (DINOv3). */
  ROTARY
}
