// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The orientation tag of a JPEG's EXIF block, and turning by it. */
final class Exif {
  private static final int ORIENTATION = 0x0112;

  private Exif() {}

  /** 1 to 8; 1 where there is no tag or it makes no sense. */
  static int orientation(byte[] jpeg) {
    ByteBuffer b = ByteBuffer.wrap(jpeg);
    int at = 2;
    while (at + 4 <= jpeg.length && jpeg[at] == (byte) 0xFF) {
      int marker = jpeg[at + 1] & 0xFF;
      if (marker == 0xDA || marker == 0xD9) break;
      int length = b.getShort(at + 2) & 0xFFFF;
      boolean exif = marker == 0xE1 && length >= 16 && at + 2 + length <= jpeg.length;
      if (exif && b.getInt(at + 4) == 0x45786966) {
        return fromTiff(b.slice(at + 10, length - 8));
      }
      at += 2 + Math.max(length, 2);
    }
    return 1;
  }

  private static int fromTiff(ByteBuffer tiff) {
    tiff.order(tiff.get(0) == 'I' ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
    int at = tiff.getInt(4);
    if (at < 8 || at > tiff.limit() - 2) return 1;
    int entries = tiff.getShort(at) & 0xFFFF;
    for (int i = 0; i < entries; i++) {
      int entry = at + 2 + 12 * i;
      if (entry + 12 > tiff.limit()) return 1;
      if ((tiff.getShort(entry) & 0xFFFF) == ORIENTATION) {
        int value = tiff.getShort(entry + 8);
        return value >= 1 && value <= 8 ? value : 1;
      }
    }
    return 1;
  }

  /** The image as it should be seen, from how it was stored. */
  static RgbImage turn(RgbImage in, int orientation) {
    if (orientation == 1) return in;
    int w = in.width();
    int h = in.height();
    boolean swap = orientation >= 5;
    int outWidth = swap ? h : w;
    int outHeight = swap ? w : h;
    byte[] out = new byte[in.rgb().length];
    for (int y = 0; y < outHeight; y++) {
      for (int x = 0; x < outWidth; x++) {
        int column = swap ? y : x;
        int row = swap ? x : y;
        // Which stored axis runs backwards, for orientations 1 to 8.
        boolean flipX =
            orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
        boolean flipY =
            orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
        int from = (flipY ? h - 1 - row : row) * w + (flipX ? w - 1 - column : column);
        System.arraycopy(in.rgb(), 3 * from, out, 3 * (y * outWidth + x), 3);
      }
    }
    return new RgbImage(outWidth, outHeight, out);
  }
}
