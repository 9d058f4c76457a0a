// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import java.awt.image.DataBufferByte;
import java.awt.image.Raster;
import java.util.List;
import javax.imageio.spi.ImageReaderSpi;

/**
 * Baseline, extended and progressive Huffman JPEGs of 8 bits by the JDK's reader, which is libjpeg
 * 6b, equal to PIL's libjpeg-turbo bit for bit. The reader gives the stored samples ({@code
 * readRaster}), so no profile is applied; they are made RGB here in libjpeg's fixed-point numbers.
 *
 * <p>Known differences: arithmetic coding, which PIL reads, is refused; the pixels that stand in
 * for damaged or missing data within a scan may differ.
 */
final class JpegDecoder {
  /**
   * The shortest data stand for 1024 pixels a byte: a single bit for a block, chroma at 4×1 and
   * luma at 1×4.
   */
  private static final int PIXELS_PER_BYTE = 1024;

  private static final ImageReaderSpi SPI = LibraryReader.ofJdk("jpeg");

  private static final int[] CR_TO_R = new int[256];
  private static final int[] CB_TO_B = new int[256];
  private static final int[] CR_TO_G = new int[256];
  private static final int[] CB_TO_G = new int[256];

  static {
    for (int i = 0; i < 256; i++) {
      int x = i - 128;
      CR_TO_R[i] = (91881 * x + 32768) >> 16;
      CB_TO_B[i] = (116130 * x + 32768) >> 16;
      CR_TO_G[i] = -46802 * x;
      CB_TO_G[i] = -22554 * x + 32768;
    }
  }

  private JpegDecoder() {}

  static RgbImage decode(byte[] data, ImageLimits limits) throws BadImageException {
    JpegHeader header = JpegHeader.read(data);
    int width = header.width();
    int height = header.height();
    limits.check(width, height, PIXELS_PER_BYTE);
    Raster raster = LibraryReader.read(SPI, data, width, height, r -> r.readRaster(0, null));
    byte[] samples = ((DataBufferByte) raster.getDataBuffer()).getData();
    if (samples.length != (long) width * height * header.components().size()) {
      throw BadImageException.broken("its components change");
    }
    return new RgbImage(width, height, toRgb(header, samples));
  }

  /** The colours; {@code samples} is overwritten. */
  private static byte[] toRgb(JpegHeader header, byte[] samples) {
    smoothRows(header, samples);
    int bands = header.components().size();
    if (bands == 1) return grey(samples);
    if (header.isYcc()) fromYcc(samples, bands);
    return bands == 3 ? samples : fromCmyk(samples, header.isYcc());
  }

  /**
   * Chroma at full width and half height: libjpeg 6b, which the JDK has, repeats every row, and
   * libjpeg-turbo, which PIL has, weighs it 3:1 with the nearer neighbour.
   */
  private static void smoothRows(JpegHeader header, byte[] samples) {
    List<JpegHeader.Component> components = header.components();
    int maxH = components.stream().mapToInt(JpegHeader.Component::h).max().orElse(1);
    int maxV = components.stream().mapToInt(JpegHeader.Component::v).max().orElse(1);
    for (int c = 0; c < components.size(); c++) {
      JpegHeader.Component component = components.get(c);
      if (component.h() == maxH && 2 * component.v() == maxV) {
        smoothRows(samples, c, components.size(), header.width(), header.height());
      }
    }
  }

  private static void smoothRows(byte[] samples, int c, int bands, int width, int height) {
    int stride = bands * width;
    for (int x = c; x < stride; x += bands) {
      int above = samples[x] & 0xFF;
      for (int y = 0; y < height; y += 2) {
        int at = y * stride + x;
        int own = samples[at] & 0xFF;
        int below = y + 2 < height ? samples[at + 2 * stride] & 0xFF : own;
        samples[at] = (byte) ((3 * own + above + 1) >> 2);
        if (y + 1 < height) samples[at + stride] = (byte) ((3 * own + below + 2) >> 2);
        above = own;
      }
    }
  }

  private static byte[] grey(byte[] samples) {
    byte[] rgb = new byte[3 * samples.length];
    for (int i = 0, o = 0; i < samples.length; i++) {
      rgb[o++] = samples[i];
      rgb[o++] = samples[i];
      rgb[o++] = samples[i];
    }
    return rgb;
  }

  private static void fromYcc(byte[] samples, int bands) {
    for (int i = 0; i < samples.length; i += bands) {
      int y = samples[i] & 0xFF;
      int cb = samples[i + 1] & 0xFF;
      int cr = samples[i + 2] & 0xFF;
      samples[i] = clamp(y + CR_TO_R[cr]);
      samples[i + 1] = clamp(y + ((CB_TO_G[cb] + CR_TO_G[cr]) >> 16));
      samples[i + 2] = clamp(y + CB_TO_B[cb]);
    }
  }

  private static byte clamp(int value) {
    return (byte) Math.min(Math.max(value, 0), 255);
  }

  /** CMYK as PIL takes it: always stored inverted, as Adobe does. */
  private static byte[] fromCmyk(byte[] samples, boolean ycck) {
    byte[] rgb = new byte[samples.length / 4 * 3];
    for (int i = 0, o = 0; i < samples.length; i += 4) {
      // Stored inverted: what stands for K is the paper's share, 255 minus K.
      int paper = samples[i + 3] & 0xFF;
      for (int c = 0; c < 3; c++, o++) {
        int stored = samples[i + c] & 0xFF;
        // libjpeg gives C = 255 - R for YCCK; PIL inverts once more.
        int ink = ycck ? stored : 255 - stored;
        int t = ink * paper + 128;
        rgb[o] = clamp(paper - (((t >> 8) + t) >> 8));
      }
    }
    return rgb;
  }
}
