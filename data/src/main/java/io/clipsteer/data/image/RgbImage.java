// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

/**
 * A decoded picture, 8 bits per channel.
 *
 * @param width columns, at least 1
 * @param height rows, at least 1
 * @param rgb {@code height * width * 3} bytes, row by row from the top, red green blue interleaved;
 *     not copied, so whoever holds the record may not write to it
 */
@SuppressWarnings("ArrayRecordComponent") // a plain buffer by design: pictures are never compared
public record RgbImage(int width, int height, byte[] rgb) {
  /** Checks that the buffer has exactly the announced size. */
  public RgbImage {
    if (width < 1 || height < 1 || rgb.length != 3L * width * height) {
      throw new IllegalArgumentException(
          width + "x" + height + " does not fit " + rgb.length + " bytes");
    }
  }

  /**
   * The part of {@code w} by {@code h} pixels whose upper left corner is ({@code x}, {@code y}).
   */
  public RgbImage crop(int x, int y, int w, int h) {
    if (x == 0 && y == 0 && w == width && h == height) return this;
    byte[] part = new byte[3 * w * h];
    for (int row = 0; row < h; row++) {
      System.arraycopy(rgb, 3 * ((y + row) * width + x), part, 3 * row * w, 3 * w);
    }
    return new RgbImage(w, h, part);
  }

  @Override
  public String toString() {
    return "RgbImage " + width + "x" + height;
  }
}
