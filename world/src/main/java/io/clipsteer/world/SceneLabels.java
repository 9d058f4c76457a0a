// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import java.util.ArrayList;
import java.util.List;

/** The classes of label maps: backgrounds, kinds of things, then parts. */
public final class SceneLabels {
  /** The classes, by number: the values of a mask. */
  public static final List<String> NAMES = names();

  private SceneLabels() {}

  private static List<String> names() {
    List<String> names = new ArrayList<>();
    for (Background one : Background.values()) names.add(one.word);
    for (ObjectKind one : ObjectKind.values()) names.add(one.word());
    for (ScenePart one : ScenePart.values()) names.add(one.word());
    return List.copyOf(names);
  }

  static int of(Background background) {
    return background.ordinal();
  }

  static int of(ObjectKind kind) {
    return Background.values().length + kind.ordinal();
  }

  static int of(ScenePart part) {
    return Background.values().length + ObjectKind.values().length + part.ordinal();
  }
}
