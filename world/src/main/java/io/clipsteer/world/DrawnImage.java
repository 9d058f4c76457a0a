// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import io.clipsteer.data.image.LabelMap;
import io.clipsteer.data.image.RgbImage;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * An image before it is drawn.
 *
 * @param factors everything a caption can name
 * @param seed of everything else, and of the captions' wording
 */
public record DrawnImage(Factors factors, long seed) {
  private static final int ANEW = 8;

  /** Draws it; the same bytes on every machine. */
  public RgbImage paint(int size) {
    return Painter.paint(factors, seed, size);
  }

  /** What each pixel of {@link #paint} is: a number of {@link SceneLabels}. */
  public LabelMap labels(int size) {
    return Painter.labels(factors, seed, size);
  }

  /**
   * Captions in different words; one repeats only where few wordings exist.
   *
   * @param count how many
   */
  public List<String> captions(int count, Biases biases) {
    SplittableRandom random = new SplittableRandom(seed ^ 0x5c4f1a9b3d2e7086L);
    List<String> captions = new ArrayList<>();
    Captions speaker = new Captions(random, biases);
    while (captions.size() < count) {
      String caption = speaker.of(factors);
      for (int i = 0; i < ANEW && captions.contains(caption); i++) caption = speaker.of(factors);
      captions.add(caption);
    }
    return captions;
  }
}
