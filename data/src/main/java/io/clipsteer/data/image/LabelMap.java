// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import java.awt.image.BufferedImage;
import java.awt.image.DataBuffer;
import java.awt.image.IndexColorModel;

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

  /** A label's colour in {@link #indexed}, 0xRRGGBB. */
  public static int colour(int label) {
    int rgb = 0;
    for (int bit = 0; bit < 3; bit++) {
      int three = label >> (3 * bit) & 7;
      for (int c = 0; c < 3; c++) rgb |= (three >> c & 1) << (7 - bit + 16 - 8 * c);
    }
    return rgb;
  }

  /** The map with a colour for each label, which tell neighbours apart: PASCAL VOC's. */
  public BufferedImage indexed() {
    int[] all = new int[256];
    for (int label = 0; label < all.length; label++) all[label] = colour(label);
    var colours = new IndexColorModel(8, all.length, all, 0, false, -1, DataBuffer.TYPE_BYTE);
    var image = new BufferedImage(width, height, BufferedImage.TYPE_BYTE_INDEXED, colours);
    image.getRaster().setDataElements(0, 0, width, height, labels);
    return image;
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
