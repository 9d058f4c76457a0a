// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

/** Parts of birds and portraits, and what lies over things, in label maps. */
enum ScenePart implements Worded {
  BILL,
  /** A bird's trunk, neck and head. */
  BODY,
  WING,
  BREAST,
  TAIL,
  FEET,
  HAIR,
  /** Face, ears, neck, and what a face has. */
  SKIN,
  BEARD,
  GLASSES,
  HAT,
  CLOTH,
  /** A written word with its plate or edge. */
  WRITING,
  /** What stands before a thing. */
  CLUTTER
}
