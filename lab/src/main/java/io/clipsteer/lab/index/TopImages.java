// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.lab.run.StatePort;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** The images with the largest scores of each unit, the largest first; ties keep the earlier. */
final class TopImages {
  private final int most;
  private final boolean byMax;
  private final @Nullable TopImage[] @Nullable [] best;

  /**
   * No image yet.
   *
   * @param most images kept of each unit
   * @param byMax whether the score is an image's largest activation; else its mean
   */
  TopImages(int units, int most, boolean byMax) {
    this.most = most;
    this.byMax = byMax;
    this.best = new TopImage[units][];
  }

  private float score(TopImage image) {
    return byMax ? image.max() : image.mean();
  }

  /** Whether an image behind all others would be kept. */
  boolean takes(int unit, float score) {
    @Nullable TopImage[] own = best[unit];
    if (own == null) return most > 0;
    TopImage last = own[most - 1];
    return last == null || score > score(last);
  }

  /** Keeps an image that is behind all others, and that {@link #takes} takes. */
  void insert(int unit, TopImage image) {
    @Nullable TopImage[] own = best[unit];
    if (own == null) {
      own = new TopImage[most];
      best[unit] = own;
    }
    int at = most - 1;
    while (at > 0) {
      TopImage before = own[at - 1];
      if (before != null && score(before) >= score(image)) break;
      own[at] = before;
      at--;
    }
    own[at] = image;
  }

  /** A unit's, fewer where it is active on fewer. */
  TopImage[] of(int unit) {
    @Nullable TopImage[] own = best[unit];
    if (own == null) return new TopImage[0];
    int count = 0;
    while (count < most && own[count] != null) count++;
    TopImage[] all = new TopImage[count];
    for (int i = 0; i < count; i++) all[i] = Objects.requireNonNull(own[i]);
    return all;
  }

  /**
   * Adds a unit's images of others, which are behind all of these.
   *
   * @param offset added to their numbers
   */
  void add(TopImages next, int unit, int offset) {
    for (TopImage image : next.of(unit)) {
      if (!takes(unit, score(image))) return;
      insert(unit, image.behind(offset));
    }
  }

  /** Moves a unit's images to a stream or from it. */
  void move(StatePort port, int unit) {
    TopImage[] own = of(unit);
    int count = port.length(own.length, most);
    for (int i = 0; i < count; i++) {
      TopImage moved = TopImage.move(port, i < own.length ? own[i] : TopImage.NONE);
      if (port.isReading()) insert(unit, moved);
    }
  }
}
