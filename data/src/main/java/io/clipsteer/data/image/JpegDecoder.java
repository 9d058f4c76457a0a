// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import java.awt.image.DataBufferByte;
import java.awt.image.Raster;
import javax.imageio.spi.ImageReaderSpi;

/**
 * Baseline, extended and progressive Huffman JPEGs of 8 bits by the JDK's reader, which is libjpeg
 * 6b, equal to PIL's libjpeg-turbo bit for bit. The reader gives the stored samples ({@code
 * readRaster}), so no profile is applied; {@link JpegColour} makes RGB of them.
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
    return new RgbImage(width, height, JpegColour.toRgb(header, samples));
  }
}
