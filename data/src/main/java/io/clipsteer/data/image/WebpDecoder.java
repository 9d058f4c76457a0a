// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import com.twelvemonkeys.imageio.plugins.webp.WebPImageReaderSpi;
import java.awt.image.Raster;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Lossless WebP; of an animation the first frame on its black canvas. The container is read here
 * and only the bare bitstream is passed to TwelveMonkeys, so that no profile is applied, no alpha
 * is mixed in, and the sizes are checked first. Lossy WebP is refused: on photos TwelveMonkeys is
 * off by up to a third of the range.
 */
final class WebpDecoder {
  private static final int RIFF_HEADER = 12;
  private static final int ANMF = 0x464D4E41;
  private static final int VP8 = 0x20385056;
  private static final int VP8L = 0x4C385056;
  private static final int VP8X = 0x58385056;

  /**
   * A lossless image of one colour takes no bits for its pixels, so the format itself has no bound.
   * This one refuses only blanks of more than a megapixel.
   */
  private static final int PIXELS_PER_BYTE = 1024;

  private static final int FREE_PIXELS = 1 << 20;

  private static final WebPImageReaderSpi SPI = new WebPImageReaderSpi();

  private final ByteBuffer b;
  private final ImageLimits limits;
  private int canvasWidth;
  private int canvasHeight;

  private WebpDecoder(byte[] data, ImageLimits limits) {
    this.b = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
    this.limits = limits;
  }

  static RgbImage decode(byte[] data, ImageLimits limits) throws BadImageException {
    return new WebpDecoder(data, limits).chunks(RIFF_HEADER, data.length, false, 0, 0);
  }

  /** Looks for the first bitstream from {@code at} on; its frame belongs at (x, y). */
  private RgbImage chunks(int at, int end, boolean inFrame, int x, int y) throws BadImageException {
    while (at + 8 <= end) {
      int kind = b.getInt(at);
      long size = b.getInt(at + 4) & 0xFFFFFFFFL;
      int body = at + 8;
      if (body + size > end) throw BadImageException.truncated();
      int length = (int) size;
      if (kind == VP8) throw BadImageException.unsupported("lossy WebP");
      if (kind == VP8L) return place(frame(body, length), x, y);
      if (kind == VP8X && length >= 10) {
        canvasWidth = u24(body + 4) + 1;
        canvasHeight = u24(body + 7) + 1;
        limits.check(canvasWidth, canvasHeight, PIXELS_PER_BYTE, FREE_PIXELS);
      } else if (kind == ANMF && length >= 24 && !inFrame) {
        return chunks(body + 16, body + length, true, 2 * u24(body), 2 * u24(body + 3));
      }
      at = body + length + (length & 1);
    }
    throw BadImageException.broken("it has no image");
  }

  private RgbImage frame(int body, int length) throws BadImageException {
    if (length < 5 || b.get(body) != 0x2F) throw BadImageException.truncated();
    int bits = b.getInt(body + 1);
    int width = (bits & 0x3FFF) + 1;
    int height = (bits >> 14 & 0x3FFF) + 1;
    limits.check(width, height, PIXELS_PER_BYTE, FREE_PIXELS);
    ByteBuffer bare = ByteBuffer.allocate(20 + length + (length & 1));
    bare.order(ByteOrder.LITTLE_ENDIAN).putInt(0x46464952).putInt(bare.capacity() - 8);
    bare.putInt(0x50424557).putInt(VP8L).putInt(length).put(b.array(), body, length);
    return rgb(bare.array(), width, height);
  }

  private static RgbImage rgb(byte[] webp, int width, int height) throws BadImageException {
    Raster raster = LibraryReader.read(SPI, webp, width, height, r -> r.read(0).getRaster());
    int bands = raster.getNumBands();
    if (bands < 3) throw BadImageException.broken("it has no colours");
    byte[] rgb = new byte[3 * width * height];
    int[] row = new int[bands * width];
    for (int y = 0, o = 0; y < height; y++) {
      raster.getPixels(0, y, width, 1, row);
      for (int i = 0; i < row.length; i += bands) {
        rgb[o++] = (byte) row[i];
        rgb[o++] = (byte) row[i + 1];
        rgb[o++] = (byte) row[i + 2];
      }
    }
    return new RgbImage(width, height, rgb);
  }

  private RgbImage place(RgbImage frame, int x, int y) throws BadImageException {
    int width = Math.max(canvasWidth, frame.width());
    int height = Math.max(canvasHeight, frame.height());
    if (width == frame.width() && height == frame.height()) return frame;
    if (x + frame.width() > width || y + frame.height() > height) {
      throw BadImageException.broken("its first frame leaves the canvas");
    }
    byte[] rgb = new byte[3 * width * height];
    int bytes = 3 * frame.width();
    for (int row = 0; row < frame.height(); row++) {
      System.arraycopy(frame.rgb(), row * bytes, rgb, 3 * ((y + row) * width + x), bytes);
    }
    return new RgbImage(width, height, rgb);
  }

  private int u24(int at) {
    return b.getShort(at) & 0xFFFF | (b.get(at + 2) & 0xFF) << 16;
  }
}
