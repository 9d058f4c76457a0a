// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import io.clipsteer.data.IoFunction;
import java.io.EOFException;
import java.io.IOException;
import java.util.Arrays;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.spi.IIORegistry;
import javax.imageio.spi.ImageReaderSpi;

/**
 * The image readers of the JDK and of TwelveMonkeys, on bytes in memory.
 *
 * <p>The readers give stored samples only. The conversion to RGB is done here, because ImageIO
 * applies profiles, gamma and transparency, and PIL does not.
 */
final class LibraryReader {
  private LibraryReader() {}

  /** The JDK's own reader, whatever else is on the class path. */
  static ImageReaderSpi ofJdk(String format) {
    var all =
        IIORegistry.getDefaultInstance()
            .getServiceProviders(
                ImageReaderSpi.class, spi -> isJdk((ImageReaderSpi) spi, format), false);
    if (!all.hasNext()) throw new IllegalStateException("this JDK cannot read " + format);
    return all.next();
  }

  private static boolean isJdk(ImageReaderSpi spi, String format) {
    return spi.getClass().getModule() == ImageIO.class.getModule()
        && Arrays.asList(spi.getFormatNames()).contains(format);
  }

  /**
   * Reads {@code data}, which must be an image of the given size: the caller has checked that size
   * against the limits, so the reader may not find another one.
   */
  static <T> T read(
      ImageReaderSpi spi, byte[] data, int width, int height, IoFunction<ImageReader, T> question)
      throws BadImageException {
    try (var in = new MemoryStream(data)) {
      ImageReader reader = spi.createReaderInstance(null);
      try {
        // Forward only, no metadata: text and profile chunks are where decompression bombs hide.
        reader.setInput(in, true, true);
        if (reader.getWidth(0) != width || reader.getHeight(0) != height) {
          throw BadImageException.broken("its size changes");
        }
        return question.apply(reader);
      } finally {
        reader.dispose();
      }
    } catch (EOFException e) {
      throw BadImageException.truncated();
    } catch (IOException e) {
      throw BadImageException.broken("its data are damaged (" + e.getMessage() + ")");
    }
  }
}
