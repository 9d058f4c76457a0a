// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.preprocess;

/**
 * The middle of the resized image; where it is smaller than the crop, a border is put around it.
 *
 * @param width of the result, in pixels
 * @param height of the result, in pixels
 * @param rounding who is followed where the middle is half a pixel off
 * @param fill the border's colour, {@code 0xRRGGBB}
 */
public record CentreCrop(int width, int height, Rounding rounding, int fill) {
  /** Where an odd pixel goes. */
  public enum Rounding {
    /** torchvision, open_clip, timm: crops half to even, pads the odd pixel behind. */
    TORCHVISION,
    /** transformers' image processors: crops down, pads the odd pixel in front. */
    TRANSFORMERS
  }

  /** Where the result's first pixel lies in an image of {@code length}; negative with a border. */
  int offset(int length, int crop) {
    int spare = length - crop;
    if (rounding == Rounding.TRANSFORMERS) return Math.floorDiv(spare, 2);
    return spare >= 0 ? (int) Math.rint(spare / 2.0) : -(-spare / 2);
  }
}
