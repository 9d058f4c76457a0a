// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import java.awt.image.Raster;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.zip.CRC32;
import javax.imageio.spi.ImageReaderSpi;

/**
 * PNGs of every depth and colour type, by the JDK's reader. As in PIL: alpha and transparency are
 * dropped, 16-bit colour keeps its high byte, but 16-bit grey is cut off at 255; gamma and profiles
 * are ignored.
 *
 * <p>The JDK's reader gets a bare PNG made of the header and the pixel data alone, an image with a
 * palette declared as grey: so it yields the stored samples, and no other chunk can harm.
 */
final class PngDecoder {
  private static final int IHDR = 0x49484452;
  private static final int PLTE = 0x504C5445;
  private static final int IDAT = 0x49444154;
  private static final int IEND = 0x49454E44;

  /** Deflate's best is 258 bytes for two bits, each byte eight pixels. */
  private static final int PIXELS_PER_BYTE = 8 * 1032;

  private static final ImageReaderSpi SPI = LibraryReader.ofJdk("png");

  private final byte[] data;
  private final ByteBuffer b;
  private final byte[] palette = new byte[3 * 256];
  private final ByteArrayOutputStream pixels = new ByteArrayOutputStream();
  private int header;
  private int width;
  private int height;
  private int depth;
  private int type;

  private PngDecoder(byte[] data) {
    this.data = data;
    this.b = ByteBuffer.wrap(data);
  }

  static RgbImage decode(byte[] data, ImageLimits limits) throws BadImageException {
    PngDecoder png = new PngDecoder(data);
    return png.toRgb(png.raster(limits));
  }

  /**
   * The stored samples of a grey image, or the indices of one with a palette, of 8 bits or less.
   */
  static LabelMap labels(byte[] data, ImageLimits limits) throws BadImageException {
    PngDecoder png = new PngDecoder(data);
    Raster raster = png.raster(limits);
    if (png.depth > 8 || png.type != 0 && png.type != 3) {
      throw new BadImageException(
          "it is no label map: its pixels are colours or 16 bits deep",
          "Save labels as grey or indexed PNG of 8 bits");
    }
    byte[] labels = new byte[png.width * png.height];
    int[] row = new int[png.width];
    for (int y = 0, o = 0; y < png.height; y++) {
      raster.getPixels(0, y, png.width, 1, row);
      for (int sample : row) labels[o++] = (byte) sample;
    }
    return new LabelMap(png.width, png.height, labels);
  }

  private Raster raster(ImageLimits limits) throws BadImageException {
    readChunks();
    limits.check(width, height, PIXELS_PER_BYTE);
    return LibraryReader.read(SPI, bare(), width, height, r -> r.read(0).getRaster());
  }

  private void readChunks() throws BadImageException {
    int at = 8;
    while (at + 8 <= data.length) {
      long length = b.getInt(at) & 0xFFFFFFFFL;
      int kind = b.getInt(at + 4);
      int body = at + 8;
      boolean whole = length + body + 4 <= data.length;
      if (kind == IEND || (kind != IDAT && pixels.size() > 0)) break;
      if (kind == IDAT) {
        // Cut short, the last part still counts: only missing rows are an error.
        pixels.write(data, body, (int) Math.min(length, data.length - body));
      } else if (whole) {
        headerChunk(kind, body, (int) length);
      }
      if (!whole) break;
      at = body + (int) length + 4;
    }
    if (header == 0) throw BadImageException.broken("it has no header");
    if (pixels.size() == 0) throw BadImageException.truncated();
  }

  private void headerChunk(int kind, int body, int length) throws BadImageException {
    CRC32 crc = new CRC32();
    crc.update(data, body - 4, length + 4);
    if ((int) crc.getValue() != b.getInt(body + length)) {
      throw BadImageException.broken("a chunk's checksum is wrong");
    }
    if (kind == PLTE) {
      System.arraycopy(data, body, palette, 0, Math.min(length, palette.length));
    } else if (kind == IHDR) {
      if (length != 13 || header != 0) throw BadImageException.broken("its header is impossible");
      header = body;
      width = b.getInt(body);
      height = b.getInt(body + 4);
      depth = data[body + 8];
      type = data[body + 9];
      if (type == 3 && depth > 8) throw BadImageException.broken("its header is impossible");
    }
  }

  /** The reader ignores checksums, so there are none. */
  private byte[] bare() {
    ByteBuffer out = ByteBuffer.allocate(8 + 25 + 12 + pixels.size() + 12);
    out.put(data, 0, 8).putInt(13).putInt(IHDR).put(data, header, 13).putInt(0);
    if (type == 3) out.put(25, (byte) 0);
    out.putInt(pixels.size()).putInt(IDAT).put(pixels.toByteArray()).putInt(0);
    return out.putInt(0).putInt(IEND).putInt(0).array();
  }

  private RgbImage toRgb(Raster raster) {
    byte[] rgb = new byte[3 * width * height];
    int bands = raster.getNumBands();
    int[] row = new int[bands * width];
    for (int y = 0, o = 0; y < height; y++) {
      raster.getPixels(0, y, width, 1, row);
      for (int i = 0; i < row.length; i += bands, o += 3) {
        if (type == 3) {
          System.arraycopy(palette, 3 * row[i], rgb, o, 3);
        } else {
          boolean colour = bands > 2;
          rgb[o] = toByte(row[i]);
          rgb[o + 1] = colour ? toByte(row[i + 1]) : rgb[o];
          rgb[o + 2] = colour ? toByte(row[i + 2]) : rgb[o];
        }
      }
    }
    return new RgbImage(width, height, rgb);
  }

  private byte toByte(int sample) {
    if (depth == 8) return (byte) sample;
    if (depth < 8) return (byte) (sample * 255 / ((1 << depth) - 1));
    // PIL keeps plain 16-bit grey as numbers, and conversion to 8 bits cuts them off.
    return (byte) (type == 0 ? Math.min(sample, 255) : sample >> 8);
  }
}
