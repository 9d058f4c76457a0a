// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriteParam;
import javax.imageio.ImageWriter;

/** Writes small images for pages. */
public final class JpegEncoder {
  private static final float QUALITY = 0.72f;

  private JpegEncoder() {}

  /** An image as JPEG. */
  public static byte[] encode(RgbImage image) {
    ImageWriter writer = ImageIO.getImageWritersByFormatName("jpeg").next();
    var bytes = new ByteArrayOutputStream();
    try (var out = ImageIO.createImageOutputStream(bytes)) {
      ImageWriteParam how = writer.getDefaultWriteParam();
      how.setCompressionMode(ImageWriteParam.MODE_EXPLICIT);
      how.setCompressionQuality(QUALITY);
      writer.setOutput(out);
      writer.write(null, new IIOImage(image.buffered(), null, null), how);
    } catch (IOException e) {
      throw new UncheckedIOException(e); // into memory: cannot be
    } finally {
      writer.dispose();
    }
    return bytes.toByteArray();
  }
}
