// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import java.awt.image.Raster;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import javax.imageio.spi.ImageReaderSpi;

/**
 * Windows and OS/2 bitmaps by the JDK's reader: 1, 4, 8, 16, 24 and 32 bits, RLE4 and RLE8; alpha
 * is dropped. What this class reads of the header is the size, to check it, and the kind, because
 * the reader would continue with images embedded in the bitmap.
 *
 * <p>Known differences from PIL: OS/2 headers of 64 bytes and 4-bit images with a palette of black
 * and white alone are refused; run lengths that end early leave colour 0 where PIL refuses the
 * file.
 */
final class BmpDecoder {
  /** A run of RLE8: 255 pixels in two bytes; what is skipped is left to end-of-bitmap. */
  private static final int PIXELS_PER_BYTE = 256;

  private static final ImageReaderSpi SPI = LibraryReader.ofJdk("bmp");

  private BmpDecoder() {}

  static RgbImage decode(byte[] data, ImageLimits limits) throws BadImageException {
    if (data.length < 30) throw BadImageException.truncated();
    ByteBuffer b = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
    boolean os2 = b.getInt(14) == 12;
    if (!os2 && data.length < 34) throw BadImageException.truncated();
    int width = os2 ? b.getShort(18) : b.getInt(18);
    int height = Math.abs(os2 ? b.getShort(20) : b.getInt(22));
    int bits = b.getShort(os2 ? 24 : 28);
    int compression = os2 ? 0 : b.getInt(30);
    boolean known =
        switch (compression) {
          case 0 -> true;
          case 1 -> bits == 8;
          case 2 -> bits == 4;
          case 3 -> bits == 16 || bits == 32;
          default -> false;
        };
    if (!known) {
      throw BadImageException.unsupported(
          "a BMP of " + bits + " bits and compression " + compression);
    }
    limits.check(width, height, PIXELS_PER_BYTE);
    Raster raster = LibraryReader.read(SPI, data, width, height, r -> r.read(0).getRaster());
    if (bits <= 8) return toRgb(raster, palette(b, os2 ? 3 : 4));
    return toRgb(raster);
  }

  /** The reader's own is lost where it takes a black and white palette for a scale of grey. */
  private static byte[] palette(ByteBuffer b, int entry) {
    int start = 14 + b.getInt(14);
    byte[] palette = new byte[3 * 256];
    for (int i = 0; i < 256 && start + entry * i + 3 <= b.limit(); i++) {
      for (int c = 0; c < 3; c++) palette[3 * i + c] = b.get(start + entry * i + 2 - c);
    }
    return palette;
  }

  private static RgbImage toRgb(Raster raster, byte[] palette) {
    int width = raster.getWidth();
    byte[] rgb = new byte[3 * width * raster.getHeight()];
    int[] row = new int[width];
    for (int y = 0, o = 0; y < raster.getHeight(); y++) {
      raster.getPixels(0, y, width, 1, row);
      for (int x = 0; x < width; x++, o += 3) System.arraycopy(palette, 3 * row[x], rgb, o, 3);
    }
    return new RgbImage(width, raster.getHeight(), rgb);
  }

  private static RgbImage toRgb(Raster raster) throws BadImageException {
    int width = raster.getWidth();
    int bands = raster.getNumBands();
    int[] bits = raster.getSampleModel().getSampleSize();
    for (int c = 0; c < 3; c++) {
      if (bits[c] < 1 || bits[c] > 8) throw BadImageException.unsupported("this BMP layout");
    }
    byte[] rgb = new byte[3 * width * raster.getHeight()];
    int[] row = new int[bands * width];
    for (int y = 0, o = 0; y < raster.getHeight(); y++) {
      raster.getPixels(0, y, width, 1, row);
      for (int i = 0; i < row.length; i += bands) {
        for (int c = 0; c < 3; c++) rgb[o++] = (byte) (row[i + c] * 255 / ((1 << bits[c]) - 1));
      }
    }
    return new RgbImage(width, raster.getHeight(), rgb);
  }
}
