// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import java.awt.image.Raster;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import javax.imageio.spi.ImageReaderSpi;

/**
 * The first frame of a GIF on its canvas, as PIL shows it: what the frame does not cover has the
 * transparent colour's index, else index 0; transparency itself is dropped.
 *
 * <p>The JDK's reader gets a bare GIF made of the first frame's data and a palette of 256 colours
 * of no meaning, declared as not interlaced: so it yields the indexes in the order of the file (its
 * own interlacing is wrong below five rows), and stops where the frame ends.
 */
final class GifDecoder {
  /** One 12-bit code may stand for as many pixels as the table has entries. */
  private static final int PIXELS_PER_BYTE = 4096;

  private static final ImageReaderSpi SPI = LibraryReader.ofJdk("gif");

  private final byte[] data;
  private int pos = 6;

  private GifDecoder(byte[] data) {
    this.data = data;
  }

  static RgbImage decode(byte[] data, ImageLimits limits) throws BadImageException {
    return new GifDecoder(data).decode(limits);
  }

  private RgbImage decode(ImageLimits limits) throws BadImageException {
    int width = u16();
    int height = u16();
    int flags = u8();
    pos += 2;
    byte[] palette = (flags & 0x80) != 0 ? palette(flags) : greyRamp();
    int transparent = seekFrame();
    int left = u16();
    int top = u16();
    int wide = u16();
    int high = u16();
    int frameFlags = u8();
    if ((frameFlags & 0x80) != 0) palette = palette(frameFlags);
    width = Math.max(width, left + wide);
    height = Math.max(height, top + high);
    limits.check(width, height, PIXELS_PER_BYTE);
    limits.check(wide, high, PIXELS_PER_BYTE);
    GifProgress progress = new GifProgress();
    Raster frame =
        LibraryReader.read(
            SPI,
            bare(wide, high),
            wide,
            high,
            reader -> {
              reader.addIIOReadProgressListener(progress);
              return reader.read(0).getRaster();
            });
    if (!progress.complete()) throw BadImageException.truncated();
    byte[] rgb = new byte[3 * width * height];
    if (wide < width || high < height) {
      for (int i = 0; i < rgb.length; i += 3) System.arraycopy(palette, 3 * transparent, rgb, i, 3);
    }
    int[] row = new int[wide];
    boolean interlaced = (frameFlags & 0x40) != 0;
    for (int y = 0; y < high; y++) {
      frame.getPixels(0, y, wide, 1, row);
      int o = 3 * ((top + (interlaced ? interlacedRow(y, high) : y)) * width + left);
      for (int x = 0; x < wide; x++, o += 3) System.arraycopy(palette, 3 * row[x], rgb, o, 3);
    }
    return new RgbImage(width, height, rgb);
  }

  /** Advances to the first frame; gives the transparent index, or 0. */
  private int seekFrame() throws BadImageException {
    int transparent = 0;
    int kind = u8();
    while (kind != ',') {
      if (kind == ';') throw BadImageException.broken("it has no image");
      if (kind == '!') {
        int label = u8();
        if (label == 0xF9 && peek(0) >= 4 && (peek(1) & 1) != 0) transparent = peek(4);
        for (int length = u8(); length != 0; length = u8()) pos += length;
      }
      kind = u8();
    }
    return transparent;
  }

  /** Cut short, the last block still counts: only missing rows are an error. */
  private byte[] bare(int wide, int high) throws BadImageException {
    ByteBuffer head = ByteBuffer.allocate(13 + 768 + 10).order(ByteOrder.LITTLE_ENDIAN);
    head.put("GIF89a".getBytes(StandardCharsets.US_ASCII));
    head.putShort((short) wide).putShort((short) high).put((byte) 0xF7).position(13 + 768);
    head.put((byte) ',').putInt(0).putShort((short) wide).putShort((short) high);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(head.array());
    out.write(u8());
    while (pos < data.length && data[pos] != 0) {
      int length = Math.min(u8(), data.length - pos);
      out.write(length);
      out.write(data, pos, length);
      pos += length;
    }
    out.write(0);
    out.write(';');
    return out.toByteArray();
  }

  private static int interlacedRow(int row, int high) {
    int first = (high + 7) / 8;
    int second = first + (high + 3) / 8;
    int third = second + (high + 1) / 4;
    if (row < first) return 8 * row;
    if (row < second) return 8 * (row - first) + 4;
    if (row < third) return 4 * (row - second) + 2;
    return 2 * (row - third) + 1;
  }

  /** Without any palette PIL takes the indexes for grey. */
  private static byte[] greyRamp() {
    byte[] ramp = new byte[3 * 256];
    for (int i = 0; i < ramp.length; i++) ramp[i] = (byte) (i / 3);
    return ramp;
  }

  private byte[] palette(int flags) throws BadImageException {
    int size = 3 << ((flags & 7) + 1);
    if (pos + size > data.length) throw BadImageException.truncated();
    byte[] palette = Arrays.copyOf(Arrays.copyOfRange(data, pos, pos + size), 3 * 256);
    pos += size;
    // PIL drops a palette that is but a grey ramp, and then takes every index for grey.
    byte[] ramp = greyRamp();
    return Arrays.equals(palette, 0, size, ramp, 0, size) ? ramp : palette;
  }

  private int peek(int ahead) throws BadImageException {
    if (pos + ahead >= data.length) throw BadImageException.truncated();
    return data[pos + ahead] & 0xFF;
  }

  private int u8() throws BadImageException {
    int value = peek(0);
    pos++;
    return value;
  }

  private int u16() throws BadImageException {
    return u8() | u8() << 8;
  }
}
