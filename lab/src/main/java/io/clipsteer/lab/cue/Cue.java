// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.cue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.RgbImage;
import java.util.SplittableRandom;

/**
 * A planted cue: a square of one colour at a random position in each image.
 *
 * @param size side as a part of the image's shorter side, above 0 to 1; at 1 it covers the whole of
 *     a square image
 * @param strength opacity, above 0 to 1
 */
public record Cue(double size, double strength) {
  /** A colour that is rare in images. */
  private static final int[] COLOUR = {230, 20, 200};

  public Cue {
    if (!(size > 0 && size <= 1)) {
      throw new InputException("--cue-sizes " + size, "not above 0 to 1", "Try 0.125,0.25,0.5,1");
    }
    if (!(strength > 0 && strength <= 1)) {
      throw new InputException("--strength " + strength, "not above 0 to 1", "Try 0.5");
    }
  }

  /** The image with the cue in it. */
  RgbImage on(RgbImage image, SplittableRandom random) {
    int side = Math.max(1, (int) Math.round(size * Math.min(image.width(), image.height())));
    int left = random.nextInt(image.width() - side + 1);
    int top = random.nextInt(image.height() - side + 1);
    byte[] rgb = image.rgb().clone();
    for (int y = top; y < top + side; y++) {
      for (int x = left; x < left + side; x++) {
        for (int c = 0; c < 3; c++) {
          int at = 3 * (y * image.width() + x) + c;
          rgb[at] = (byte) Math.round((1 - strength) * (rgb[at] & 255) + strength * COLOUR[c]);
        }
      }
    }
    return new RgbImage(image.width(), image.height(), rgb);
  }
}
