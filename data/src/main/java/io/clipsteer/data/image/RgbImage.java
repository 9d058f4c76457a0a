// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import javax.imageio.ImageIO;

/**
 * A decoded image, 8 bits per channel.
 *
 * @param width columns, at least 1
 * @param height rows, at least 1
 * @param rgb {@code height * width * 3} bytes, row by row from the top, red green blue interleaved;
 *     not copied, so the holder of the record must not write to it
 */
@SuppressWarnings("ArrayRecordComponent") // a plain buffer by design: images are never compared
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

  /** As AWT and ImageIO take it. */
  public BufferedImage buffered() {
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    int[] packed = new int[width * height];
    for (int i = 0; i < packed.length; i++) {
      packed[i] = (rgb[3 * i] & 255) << 16 | (rgb[3 * i + 1] & 255) << 8 | (rgb[3 * i + 2] & 255);
    }
    image.setRGB(0, 0, width, height, packed, 0, width);
    return image;
  }

  /**
   * Writes it as PNG.
   *
   * @throws IOException when the disk refuses
   */
  public void writePng(Path file) throws IOException {
    if (!ImageIO.write(buffered(), "png", file.toFile())) throw new IOException("no PNG writer");
  }

  @Override
  public String toString() {
    return "RgbImage " + width + "x" + height;
  }
}
