// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

/**
 * How a vision tower cuts its square input into patches.
 *
 * @param patch side of a patch, in pixels
 * @param imageSize side of the input that the positions were trained for, in pixels
 * @param resize treatment of images of another size
 */
public record PatchGrid(int patch, int imageSize, PositionResize resize) {
  /** A grid for images of one size. */
  public PatchGrid(int patch, int imageSize) {
    this(patch, imageSize, PositionResize.NONE);
  }

  /** Patches along one side. */
  public int side() {
    return imageSize / patch;
  }

  /** Number of patches. */
  public int count() {
    return side() * side();
  }

  /** Whether the tower reads images of this size. */
  boolean fits(long height, long width) {
    return switch (resize) {
      case NONE -> height == imageSize && width == imageSize;
      case BICUBIC, BICUBIC_ANTIALIASED -> height >= patch && width >= patch;
      case ROTARY -> height >= patch && height / patch == width / patch;
    };
  }
}
