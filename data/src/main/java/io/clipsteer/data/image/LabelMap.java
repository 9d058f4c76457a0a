// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

/**
 * A label for every pixel.
 *
 * @param width columns, at least 1
 * @param height rows, at least 1
 * @param labels {@code height * width} unsigned bytes, row by row from the top; not copied, so the
 *     holder of the record must not write to it
 */
@SuppressWarnings("ArrayRecordComponent") // a plain buffer by design: maps are never compared
public record LabelMap(int width, int height, byte[] labels) {
  /** Checks that the buffer has exactly the announced size. */
  public LabelMap {
    if (width < 1 || height < 1 || labels.length != (long) width * height) {
      throw new IllegalArgumentException(
          width + "x" + height + " does not fit " + labels.length + " bytes");
    }
  }

  /** The map as a grey image, so that it goes through an image's own resizing and crop. */
  public RgbImage grey() {
    byte[] rgb = new byte[3 * labels.length];
    for (int i = 0; i < rgb.length; i++) rgb[i] = labels[i / 3];
    return new RgbImage(width, height, rgb);
  }

  /** The map of a grey image. */
  public static LabelMap of(RgbImage grey) {
    byte[] labels = new byte[grey.width() * grey.height()];
    for (int i = 0; i < labels.length; i++) labels[i] = grey.rgb()[3 * i];
    return new LabelMap(grey.width(), grey.height(), labels);
  }

  /** How many pixels have each label. */
  public int[] counts() {
    int[] counts = new int[256];
    for (byte label : labels) counts[label & 255]++;
    return counts;
  }
}
