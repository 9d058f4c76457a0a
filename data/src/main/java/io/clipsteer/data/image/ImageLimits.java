// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

/**
 * The two bounds that every codec checks after reading a header and before it allocates pixels.
 *
 * <p>A file can name any size in four bytes, so a size is believed only when the data that follow
 * could hold it: each format has a largest number of pixels that one byte can stand for. The bound
 * is the format's own, so no image that decodes elsewhere is refused here.
 *
 * @param maxPixels the user's bound on width × height
 * @param fileBytes the length of the file
 */
record ImageLimits(long maxPixels, long fileBytes) {
  /** So small an image (192 KiB of RGB) is never worth an argument. */
  private static final long FREE_PIXELS = 65_536;

  /** {@link RgbImage} is one Java array. */
  private static final long ARRAY_PIXELS = (Integer.MAX_VALUE - 16) / 3;

  void check(long width, long height, long pixelsPerByte) throws BadImageException {
    check(width, height, pixelsPerByte, FREE_PIXELS);
  }

  /** As above, with another size up to which any image is let through. */
  void check(long width, long height, long pixelsPerByte, long freePixels)
      throws BadImageException {
    if (width < 1 || height < 1) {
      throw BadImageException.broken("its size is " + width + "x" + height);
    }
    long limit = Math.min(maxPixels, ARRAY_PIXELS);
    if (width > limit || height > limit || width * height > limit) {
      throw tooLarge(width, height, limit);
    }
    long pixels = width * height;
    if (pixels > freePixels && pixels / pixelsPerByte > fileBytes) {
      throw BadImageException.broken(
          "it claims %dx%d pixels, more than its %d bytes can hold"
              .formatted(width, height, fileBytes));
    }
  }

  private static BadImageException tooLarge(long width, long height, long limit) {
    return new BadImageException(
        "it has %dx%d pixels, more than the limit of %d".formatted(width, height, limit),
        "Scale it down, or raise the limit if you trust it");
  }
}
